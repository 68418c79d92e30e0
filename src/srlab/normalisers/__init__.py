"""Normalisers: physical units to the network's range and back, one a file."""

from srlab.normalisers.arcsinh import Arcsinh
from srlab.normalisers.identity import Identity
from srlab.normalisers.log import Log
from srlab.normalisers.minmax import MinMax
from srlab.normalisers.percentile import Percentile
from srlab.normalisers.protocol import Normaliser, Scope
from srlab.normalisers.reflectance import Reflectance
from srlab.normalisers.statistics import Statistics, StreamingStatistics
from srlab.normalisers.zscore import ZScore

__all__ = [
    "Arcsinh",
    "Identity",
    "Log",
    "MinMax",
    "Normaliser",
    "Percentile",
    "Reflectance",
    "Scope",
    "Statistics",
    "StreamingStatistics",
    "ZScore",
]
