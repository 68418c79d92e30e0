"""The suggestion of a normaliser from the values of files, by explicit rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from srlab.normalisers.statistics import Floats, Statistics
from srlab.report.values import Values

SPREAD = 5.0
"""The ratio of the ranges of files above which they have no common unit."""

UNLIKE = 0.25
"""The difference of the means of LR and HR, in HR's deviations, above which they are unlike."""

TAIL = 10.0
"""The ratio of the 99th percentile to the 75th, from the median, above which a range is wide.

It is 3.4 for a normal distribution, and 5.7 for an exponential one.
"""

OUTLIERS = 5.0
"""The ratio of an extreme to the percentile of 0.1 %, from the median, that outliers cause."""

FILLED = 0.25
"""The smallest share of a type's range that values fill if the range suits them."""


@dataclass(frozen=True)
class Suggestion:
    """A normaliser, and the reason for it."""

    choice: str
    """The settings to write on the command line."""

    reason: str


def suggested(groups: Sequence[Values], *, unit: str, data_range: float) -> Suggestion:
    """Return the first normaliser whose rule holds.

    `groups` are HR, or LR and then HR; `unit` and `data_range` are the source's.
    """
    hr = groups[-1]
    statistics = hr.statistics
    if not statistics.count.all():
        return Suggestion("normaliser=minmax", "a band holds no value at all: look at data.bands.")
    if len(groups) == 2 and (difference := _unlike(groups[0].statistics, statistics)):
        return Suggestion("normaliser=paired", difference)
    if "reflectance" in unit.casefold():
        return Suggestion(
            f"normaliser=reflectance normaliser.quantification={data_range:g}",
            f"the unit is {unit}, whose numbers are the product's and the same in every scene.",
        )
    if data_range == 255:
        return Suggestion("normaliser=minmax", "8-bit values have a known range, 0 to 255.")
    factor = _spread([*hr.files.values()])
    if factor > SPREAD:
        return Suggestion(
            "normaliser=zscore normaliser.scope=scene",
            f"the ranges of the files (1st to 99th percentile) differ {factor:.3g} times: their "
            "units are arbitrary, so each is measured by itself.",
        )
    return _by_shape(statistics, data_range)


def _by_shape(statistics: Statistics, data_range: float) -> Suggestion:
    """Judge by the shape of the distributions; the channel with the widest one decides."""
    low, middle, high = (statistics.quantile(level) for level in (1, 50, 99))
    tail = float(np.max((high - middle) / _positive(statistics.quantile(75) - middle)))
    if tail > TAIL:
        softening = float(np.max(np.abs(middle))) or float(np.max(statistics.deviation))
        return Suggestion(
            f"normaliser=arcsinh normaliser.softening={softening:.3g} "
            f"normaliser.maximum={float(np.max(high)):.4g}",
            f"a wide range of brightness: the 99th percentile lies {tail:.3g} times as far from "
            "the median as the 75th.",
        )
    beyond = _furthest(statistics)
    if beyond > OUTLIERS:
        return Suggestion(
            "normaliser=percentile",
            f"a few outliers: the extremes lie {beyond:.3g} times as far from the median as all "
            "but 0.1 % of the values.",
        )
    if np.min(low) < 0:
        return Suggestion(
            "normaliser=zscore", f"the values reach below zero, to {np.min(low):.4g} and less."
        )
    share = float(np.max(high - low)) / data_range
    if share < FILLED:
        return Suggestion(
            "normaliser=zscore",
            f"the values (1st to 99th percentile) fill {share:.2g} of 0 to {data_range:g}, so that "
            "range would not suit a network.",
        )
    return Suggestion(
        "normaliser=minmax", f"the values fill {share:.2g} of their range, 0 to {data_range:g}."
    )


def _furthest(statistics: Statistics) -> float:
    """Return the largest ratio of an extreme to the percentile of 0.1 %, from the median."""
    middle = statistics.quantile(50)
    above = (statistics.maximum - middle) / _positive(statistics.quantile(99.9) - middle)
    below = (middle - statistics.minimum) / _positive(middle - statistics.quantile(0.1))
    return float(np.max([above, below]))


def _unlike(lr: Statistics, hr: Statistics) -> str:
    """Describe how LR and HR differ, in the number of bands or a mean; empty if they do not."""
    if len(lr.mean) != len(hr.mean):
        return f"LR has {len(lr.mean)} bands and HR {len(hr.mean)}."
    apart = np.abs(lr.mean - hr.mean) / _positive(hr.deviation)
    worst = int(np.argmax(apart))
    if apart[worst] <= UNLIKE:
        return ""
    return (
        f"the mean of LR is {lr.mean[worst]:.4g} and that of HR {hr.mean[worst]:.4g} in band "
        f"{worst + 1}, {apart[worst]:.2g} deviations apart. normaliser=histogram matches their "
        "whole distributions."
    )


def _spread(files: Sequence[Statistics]) -> float:
    """Return the largest ratio of the files' ranges; of ten or more, each tenth at an end aside."""
    spans = np.array([file.quantile(99) - file.quantile(1) for file in files])
    spans = spans[np.all(spans > 0, axis=1)]
    if len(spans) < 2:
        return 1.0
    level = 10 if len(spans) >= 10 else 0
    ratios = np.percentile(spans, 100 - level, axis=0) / np.percentile(spans, level, axis=0)
    return float(np.max(ratios))


def _positive(differences: Floats) -> Floats:
    """Replace zero and negative values with infinity, so that ratios to them are zero."""
    return np.where(differences > 0, differences, np.inf)
