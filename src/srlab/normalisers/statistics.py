"""Statistics of values that do not fit into memory, measured in one pass and constant memory."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from srlab.mistakes import Mistake

Floats = NDArray[np.float64]

_LOW_LEVELS = tuple(round(0.1 * step, 1) for step in range(20))
_MIDDLE_LEVELS = tuple(float(level) for level in range(2, 98))
_HIGH_LEVELS = tuple(round(98 + 0.1 * step, 1) for step in range(21))

LEVELS = (*_LOW_LEVELS, *_MIDDLE_LEVELS, *_HIGH_LEVELS)
"""The levels of the percentiles that `Statistics` holds, from 0 to 100.

They are multiples of 0.1 up to 2 and from 98 on, and whole numbers in between.
"""

MINIMUM, MAXIMUM, MEAN, DEVIATION, FIRST_QUANTILE = range(5)
QUANTILES = slice(FIRST_QUANTILE, None)
"""The rows of `Statistics.as_tensor`. The last rows are the percentiles at `LEVELS`."""

ROWS = FIRST_QUANTILE + len(LEVELS)
"""The number of rows of `Statistics.as_tensor`."""

BINS = 8192
"""The number of bins of a channel's histogram.

The bins span at most twice the range of the values. One bin is thus at most 0.025 % of it.
"""


@dataclass(frozen=True)
class Statistics:
    """Statistics of an image, a scene or a data set, for each channel, in physical units.

    Each field is an array ``(C,)`` unless it says otherwise. Values that are not finite are left
    out. A channel without finite values has a count of zero, and NaN in all other fields.
    """

    count: NDArray[np.int64]
    minimum: Floats
    maximum: Floats
    mean: Floats

    deviation: Floats
    """The standard deviation of the population: the mean square is divided by `count`."""

    quantiles: Floats
    """The percentiles at `LEVELS`, ``(len(LEVELS), C)``, exact to 0.025 % of the range."""

    together: Statistics | None = None
    """The statistics of all channels together, as if they were one channel.

    These have no further `together`: it is None.
    """

    @classmethod
    def of(cls, values: NDArray[Any] | Tensor) -> Statistics:
        """Measure an array ``(C, ...)`` that is in memory."""
        array = np.asarray(values)
        streaming = StreamingStatistics(len(array))
        streaming.add(array)
        return streaming.result()

    def quantile(self, level: float) -> Floats:
        """Return the percentile at `level`, one of `LEVELS`, of each channel."""
        row: Floats = self.quantiles[level_index(level)]
        return row

    def as_tensor(self) -> Tensor:
        """Return a table ``(ROWS, C + 1)``, which samples carry under the key ``scene``.

        The rows are the minimum, the maximum, the mean, the deviation and the percentiles. The last
        column is that of all channels together.
        """
        rows = [self.minimum, self.maximum, self.mean, self.deviation, *self.quantiles]
        table = torch.from_numpy(np.stack(rows)).float()
        if self.together is None:
            return table
        return torch.cat([table, self.together.as_tensor()], dim=1)

    def to_json(self) -> dict[str, Any]:
        """Return the fields as plain lists, which can be written as JSON."""
        lists: dict[str, Any] = {name: getattr(self, name).tolist() for name in MEASURES}
        if self.together is not None:
            lists["together"] = self.together.to_json()
        return lists

    @classmethod
    def from_json(cls, lists: dict[str, Any]) -> Statistics:
        """Build statistics from the lists of `to_json`."""
        measures: dict[str, Any] = {name: np.array(lists[name], float) for name in MEASURES}
        measures["count"] = np.array(lists["count"], np.int64)
        if "together" in lists:
            measures["together"] = cls.from_json(lists["together"])
        return cls(**measures)


MEASURES = tuple(each.name for each in fields(Statistics) if each.name != "together")
"""The names of the arrays of `Statistics`."""


def level_index(level: float) -> int:
    """Return the index of `level` in `LEVELS`; raises a `Mistake` if it is not one of them."""
    if level not in LEVELS:
        raise Mistake(
            f"the percentile {level} is not measured; give a whole number from 0 to 100, or a "
            "multiple of 0.1 below 2 or above 98."
        )
    return LEVELS.index(level)


class StreamingStatistics:
    """Measures `Statistics` of values that arrive in parts, of any number and shape.

    `channels` is the number of channels of every part.
    """

    def __init__(self, channels: int) -> None:
        self._channels = [_Channel() for _ in range(channels)]

    def add(self, values: NDArray[Any]) -> None:
        """Add values ``(C, ...)`` in physical units; NaN and infinities are left out."""
        for channel, own in zip(self._channels, values, strict=True):
            finite = own[np.isfinite(own)].astype(np.float64)
            if finite.size:
                channel.add(finite)

    def merge(self, other: StreamingStatistics) -> None:
        """Add the values of another instance with the same number of channels."""
        for channel, others in zip(self._channels, other._channels, strict=True):
            channel.merge(others)

    def result(self) -> Statistics:
        """Return the statistics of all values that were added."""
        together = _Channel()
        for channel in self._channels:
            together.merge(channel)
        return _statistics(self._channels, together=_statistics([together]))

    def histograms(self) -> list[BinCounts]:
        """Return the histogram of each channel."""
        return [channel.histogram() for channel in self._channels]


@dataclass(frozen=True)
class BinCounts:
    """The histogram of one channel, with bins of equal width."""

    edges: Floats
    """The edges of the bins ``(bins + 1,)``, ascending, in physical units."""

    counts: NDArray[np.int64]
    """The number of values in each bin ``(bins,)``."""


def _statistics(channels: list[_Channel], together: Statistics | None = None) -> Statistics:
    return Statistics(
        count=np.array([channel.count for channel in channels], np.int64),
        minimum=np.array([channel.minimum for channel in channels]),
        maximum=np.array([channel.maximum for channel in channels]),
        mean=np.array([channel.mean for channel in channels]),
        deviation=np.array([channel.deviation for channel in channels]),
        quantiles=np.stack([channel.quantiles() for channel in channels], axis=1),
        together=together,
    )


class _Channel:
    """The moments and the histogram of one channel."""

    def __init__(self) -> None:
        self.count = 0
        self.minimum = self.maximum = self.mean = np.nan
        self._squared_distances = 0.0  # the sum of the squared distances to the mean
        self._histogram: _Histogram | None = None

    @property
    def deviation(self) -> float:
        with np.errstate(invalid="ignore"):  # without any value it is 0 / 0, which is NaN
            return float(np.sqrt(np.divide(self._squared_distances, self.count)))

    def add(self, values: Floats) -> None:
        """Add finite values, of which there is at least one."""
        low, high = float(values.min()), float(values.max())
        mean = float(values.mean())
        squared_distances = float(np.square(values - mean).sum())
        self._histogram_with(low, high).add(values, low, high)
        self._add_moments(values.size, mean, squared_distances)

    def merge(self, other: _Channel) -> None:
        """Add the values of another channel.

        In the histogram, each of these values counts as the middle of its bin.
        """
        if other._histogram is None:
            return
        histogram = self._histogram_with(other.minimum, other.maximum)
        counts = other._histogram.counts
        # The outermost bins may reach beyond the values in them.
        middles = other._histogram.middles().clip(other.minimum, other.maximum)
        filled = counts > 0
        histogram.add(middles[filled], other.minimum, other.maximum, counts=counts[filled])
        self._add_moments(other.count, other.mean, other._squared_distances)

    def histogram(self) -> BinCounts:
        """Return the histogram between the minimum and the maximum."""
        if self._histogram is None:
            return BinCounts(np.zeros(1), np.zeros(0, np.int64))
        return self._histogram.filled_bins()

    def quantiles(self) -> Floats:
        """Return the percentiles at `LEVELS`, NaN if there are no values."""
        if self._histogram is None:
            return np.full(len(LEVELS), np.nan)
        found = self._histogram.quantiles(np.array(LEVELS) / 100)
        found[0], found[-1] = self.minimum, self.maximum
        return found.clip(self.minimum, self.maximum)

    def _histogram_with(self, low: float, high: float) -> _Histogram:
        """Extend the range of values by `low` and `high`, and return the histogram.

        The first values determine the bins that the histogram begins with.
        """
        if self._histogram is None:
            self._histogram = _Histogram(low, high)
            self.minimum, self.maximum, self.mean = low, high, 0.0
        self.minimum, self.maximum = min(self.minimum, low), max(self.maximum, high)
        return self._histogram

    def _add_moments(self, count: int, mean: float, squared_distances: float) -> None:
        """Merge the moments of two sets of values (Chan et al. 1979, eq. 2.1).

        Unlike a difference of large sums, this loses no digits.
        """
        total = self.count + count
        shift = mean - self.mean
        self._squared_distances += squared_distances + shift**2 * self.count * count / total
        self.mean += shift * count / total
        self.count = total


class _Histogram:
    """Counts in `BINS` bins of equal width, whose range doubles until it holds each new value."""

    def __init__(self, low: float, high: float) -> None:
        # A range of zero cannot double. Values that are all equal get the smallest range whose
        # bins float64 can tell apart.
        smallest_span = 1e-12 * max(abs(low), abs(high), 1.0)
        self._low = low
        self._span = max(high - low, smallest_span)
        self.counts = np.zeros(BINS, np.int64)

    def add(
        self, values: Floats, low: float, high: float, counts: NDArray[np.int64] | None = None
    ) -> None:
        """Count values from `low` to `high`, each once or as often as `counts` says."""
        while low < self._low:
            self._double_downwards()
        while high > self._low + self._span:
            self._double_upwards()

        places = (values - self._low) * (BINS / self._span)
        bins = places.astype(np.int64).clip(0, BINS - 1)
        if counts is None:
            self.counts += np.bincount(bins, minlength=BINS)
        else:
            np.add.at(self.counts, bins, counts)

    def middles(self) -> Floats:
        """Return the middle of each bin."""
        return self._edges()[:-1] + 0.5 * self._span / BINS

    def filled_bins(self) -> BinCounts:
        """Return the bins from the first to the last one that holds a value."""
        filled = np.flatnonzero(self.counts)
        first, last = filled[0], filled[-1]
        return BinCounts(self._edges()[first : last + 2], self.counts[first : last + 1])

    def quantiles(self, shares: Floats) -> Floats:
        """Return the quantiles at `shares` from 0 to 1.

        They are interpolated linearly between neighbouring ranks, like numpy's default.
        """
        ranks = shares * (self.counts.sum() - 1)
        lower_ranks = np.floor(ranks)
        lower, upper = self._values_at(lower_ranks), self._values_at(np.ceil(ranks))
        found: Floats = lower + (upper - lower) * (ranks - lower_ranks)
        return found

    def _values_at(self, ranks: Floats) -> Floats:
        """Return the values at ranks, counted from 0.

        The values in a bin are taken as evenly spread over it.
        """
        counts_below = np.concatenate([[0], np.cumsum(self.counts)])
        bins = np.searchsorted(counts_below, ranks, side="right") - 1
        within_bin = (ranks - counts_below[bins] + 0.5) / self.counts[bins]
        values: Floats = self._low + (bins + within_bin) * (self._span / BINS)
        return values

    def _edges(self) -> Floats:
        return np.linspace(self._low, self._low + self._span, BINS + 1, dtype=np.float64)

    def _double_downwards(self) -> None:
        self.counts = np.concatenate([_empty_half(), self._joined_pairs()])
        self._low -= self._span
        self._span *= 2

    def _double_upwards(self) -> None:
        self.counts = np.concatenate([self._joined_pairs(), _empty_half()])
        self._span *= 2

    def _joined_pairs(self) -> NDArray[np.int64]:
        """Return the counts of bins of twice the width."""
        joined: NDArray[np.int64] = self.counts.reshape(-1, 2).sum(axis=1)
        return joined


def _empty_half() -> NDArray[np.int64]:
    return np.zeros(BINS // 2, np.int64)
