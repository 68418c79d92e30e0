"""Normalisers map physical units to the network's range and back; each has its own module.

`protocol` defines their interface. `statistics` measures the values of images in one pass.
`matching` is the histogram matching that `histogram` uses.
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
