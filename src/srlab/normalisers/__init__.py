"""Normalisers between physical units and the network's range, one in each file.

`protocol` is their interface, with the arithmetic that they share. `statistics` measures values in
one pass, and `matching` is the histogram matching behind `histogram`.
"""

from srlab.normalisers.arcsinh import Arcsinh
from srlab.normalisers.custom import Custom
from srlab.normalisers.histogram import HistogramMatching
from srlab.normalisers.identity import Identity
from srlab.normalisers.log import Log
from srlab.normalisers.minmax import MinMax
from srlab.normalisers.paired import Paired
from srlab.normalisers.percentile import Percentile
from srlab.normalisers.protocol import Measure, Normaliser, Scope
from srlab.normalisers.reflectance import Reflectance
from srlab.normalisers.statistics import Statistics, StreamingStatistics
from srlab.normalisers.zscore import ZScore

__all__ = [
    "Arcsinh",
    "Custom",
    "HistogramMatching",
    "Identity",
    "Log",
    "Measure",
    "MinMax",
    "Normaliser",
    "Paired",
    "Percentile",
    "Reflectance",
    "Scope",
    "Statistics",
    "StreamingStatistics",
    "ZScore",
]
