"""Statistics of values that do not fit into memory: one pass, constant memory."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from srlab.mistakes import Mistake

Floats = NDArray[np.float64]

LEVELS = (
    *(round(0.1 * step, 1) for step in range(20)),
    *(float(level) for level in range(2, 98)),
    *(round(98 + 0.1 * step, 1) for step in range(21)),
)
"""The percentiles that `Statistics` holds: tenths of a percent at both ends, whole ones between."""

MINIMUM, MAXIMUM, MEAN, DEVIATION = range(4)
QUANTILES = slice(4, None)
"""Rows of `Statistics.as_tensor`; the percentiles of `LEVELS` follow."""

BINS = 8192
"""Of a channel's histogram. They span at most twice the range, so each is 0.025 % of it or less."""


@dataclass(frozen=True)
class Statistics:
    """The values of an image, a scene or a data set, channel by channel, in physical units.

    Each field but `quantiles` is an array ``(C,)``. Values that are not finite are left out. A
    channel without a value has a count of zero and NaN everywhere else.
    """

    count: NDArray[np.int64]
    minimum: Floats
    maximum: Floats
    mean: Floats

    deviation: Floats
    """The standard deviation of the population: its mean squared distance to the mean, rooted."""

    quantiles: Floats
    """``(len(LEVELS), C)``, to 0.025 % of the range."""

    together: Statistics | None = None
    """The values of all channels as those of one; None in itself."""

    @classmethod
    def of(cls, values: NDArray[Any] | Tensor) -> Statistics:
        """Measure an array ``(C, ...)`` that is in memory."""
        array = np.asarray(values)
        streaming = StreamingStatistics(len(array))
        streaming.add(array)
        return streaming.result()

    def quantile(self, level: float) -> Floats:
        """Return the percentile `level`, one of `LEVELS`, of each channel."""
        row: Floats = self.quantiles[level_index(level)]
        return row

    def as_tensor(self) -> Tensor:
        """Return ``(4 + len(LEVELS), C + 1)``, as samples carry it under ``scene``.

        The last column is that of all channels together.
        """
        rows = [self.minimum, self.maximum, self.mean, self.deviation, *self.quantiles]
        table = torch.from_numpy(np.stack(rows)).float()
        if self.together is None:
            return table
        return torch.cat([table, self.together.as_tensor()], dim=1)

    def to_json(self) -> dict[str, Any]:
        """Return plain lists, for a file."""
        lists: dict[str, Any] = {name: getattr(self, name).tolist() for name in MEASURES}
        if self.together is not None:
            lists["together"] = self.together.to_json()
        return lists

    @classmethod
    def from_json(cls, lists: dict[str, Any]) -> Statistics:
        """Read the lists of `to_json` back."""
        measures: dict[str, Any] = {name: np.array(lists[name], float) for name in MEASURES}
        measures["count"] = np.array(lists["count"], np.int64)
        if "together" in lists:
            measures["together"] = cls.from_json(lists["together"])
        return cls(**measures)


MEASURES = tuple(each.name for each in fields(Statistics) if each.name != "together")
"""The names of the arrays of `Statistics`."""


def level_index(level: float) -> int:
    """Return the place of a percentile in `LEVELS`, and raise a `Mistake` if it has none."""
    if level not in LEVELS:
        raise Mistake(
            f"the percentile {level} is not kept; give a tenth from 0 to 2 or from 98 to 100, or a "
            "whole number between."
        )
    return LEVELS.index(level)


class StreamingStatistics:
    """Gathers `Statistics` from parts of an image or data set, in any number and of any shape."""

    def __init__(self, channels: int) -> None:
        self._channels = [_Channel() for _ in range(channels)]

    def add(self, values: NDArray[Any]) -> None:
        """Take in ``(C, ...)`` in physical units; NaN and infinities count as no data."""
        for channel, own in zip(self._channels, values, strict=True):
            own = own[np.isfinite(own)].astype(np.float64)
            if own.size:
                channel.add(own)

    def merge(self, other: StreamingStatistics) -> None:
        """Take in all that another one has, of as many channels."""
        for channel, others in zip(self._channels, other._channels, strict=True):
            channel.merge(others)

    def result(self) -> Statistics:
        """Return the statistics of all that was added."""
        together = _Channel()
        for channel in self._channels:
            together.merge(channel)
        return _statistics(self._channels, together=_statistics([together]))

    def histograms(self) -> list[BinCounts]:
        """Return the counts of values of each channel."""
        return [channel.histogram() for channel in self._channels]


@dataclass(frozen=True)
class BinCounts:
    """How often the values of one channel lie in each of bins of one width."""

    edges: Floats
    """``(bins + 1,)``, rising, in physical units."""

    counts: NDArray[np.int64]
    """``(bins,)``"""


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
    """Moments and a histogram of one channel."""

    def __init__(self) -> None:
        self.count = 0
        self.minimum = self.maximum = self.mean = np.nan
        self._squares = 0.0
        self._histogram: _Histogram | None = None

    @property
    def deviation(self) -> float:
        with np.errstate(invalid="ignore"):  # nothing at all has no deviation: it is NaN
            return float(np.sqrt(np.divide(self._squares, self.count)))

    def add(self, values: Floats) -> None:
        low, high = float(values.min()), float(values.max())
        mean = float(values.mean())
        squares = float(np.square(values - mean).sum())
        self._bins(low, high).add(values, low, high)
        self._add_moments(values.size, mean, squares)

    def merge(self, other: _Channel) -> None:
        """Take in the values of another channel; of its histogram, each as the middle of a bin."""
        if other._histogram is None:
            return
        own = self._bins(other.minimum, other.maximum)
        counts = other._histogram.counts
        # the outermost bins reach beyond the values in them
        middles = other._histogram.middles().clip(other.minimum, other.maximum)
        some = counts > 0
        own.add(middles[some], other.minimum, other.maximum, counts=counts[some])
        self._add_moments(other.count, other.mean, other._squares)

    def histogram(self) -> BinCounts:
        """Return the counts between the least and the largest value."""
        if self._histogram is None:
            return BinCounts(np.zeros(1), np.zeros(0, np.int64))
        return self._histogram.occupied()

    def _bins(self, low: float, high: float) -> _Histogram:
        """Return the histogram for values from `low` to `high`, begun with the first of them."""
        if self._histogram is None:
            self._histogram = _Histogram(low, high)
            self.minimum, self.maximum, self.mean = low, high, 0.0
        self.minimum, self.maximum = min(self.minimum, low), max(self.maximum, high)
        return self._histogram

    def _add_moments(self, size: int, mean: float, squares: float) -> None:
        """Merge the moments of two sets (Chan et al. 1979, eq. 2.1), which loses no digits."""
        total = self.count + size
        shift = mean - self.mean
        self._squares += squares + shift**2 * self.count * size / total
        self.mean += shift * size / total
        self.count = total

    def quantiles(self) -> Floats:
        if self._histogram is None:
            return np.full(len(LEVELS), np.nan)
        found = self._histogram.quantiles(np.array(LEVELS) / 100)
        found[0], found[-1] = self.minimum, self.maximum
        return found.clip(self.minimum, self.maximum)


class _Histogram:
    """Counts in `BINS` bins of one width, whose range doubles until each new value lies in it."""

    def __init__(self, low: float, high: float) -> None:
        # A range of zero cannot double; that of a constant is as small as float64 can tell apart.
        least = 1e-12 * max(abs(low), abs(high), 1.0)
        self._low = low
        self._span = max(high - low, least)
        self.counts = np.zeros(BINS, np.int64)

    def add(
        self, values: Floats, low: float, high: float, counts: NDArray[np.int64] | None = None
    ) -> None:
        """Count values between `low` and `high`, each once or as often as `counts` says."""
        while low < self._low:
            self.counts = np.concatenate([np.zeros(BINS // 2, np.int64), self._pairs()])
            self._low -= self._span
            self._span *= 2
        while high > self._low + self._span:
            self.counts = np.concatenate([self._pairs(), np.zeros(BINS // 2, np.int64)])
            self._span *= 2
        places = ((values - self._low) * (BINS / self._span)).astype(np.int64).clip(0, BINS - 1)
        if counts is None:
            self.counts += np.bincount(places, minlength=BINS)
        else:
            np.add.at(self.counts, places, counts)

    def middles(self) -> Floats:
        """Return the middle of each bin."""
        return self._edges()[:-1] + 0.5 * self._span / BINS

    def occupied(self) -> BinCounts:
        """Return the bins from the first to the last that holds a value."""
        first, *_, last = np.flatnonzero(self.counts).repeat(2)
        return BinCounts(self._edges()[first : last + 2], self.counts[first : last + 1])

    def _edges(self) -> Floats:
        return np.linspace(self._low, self._low + self._span, BINS + 1, dtype=np.float64)

    def _pairs(self) -> NDArray[np.int64]:
        """Count in bins of twice the width."""
        pairs: NDArray[np.int64] = self.counts.reshape(-1, 2).sum(axis=1)
        return pairs

    def quantiles(self, shares: Floats) -> Floats:
        """Return quantiles, linear between the values of neighbouring ranks as numpy's are."""
        ranks = shares * (self.counts.sum() - 1)
        before, after = self._ranked(np.floor(ranks)), self._ranked(np.ceil(ranks))
        found: Floats = before + (after - before) * (ranks - np.floor(ranks))
        return found

    def _ranked(self, ranks: Floats) -> Floats:
        """Return the values of these ranks, from 0, as if a bin's were evenly spread."""
        below = np.concatenate([[0], np.cumsum(self.counts)])
        bins = np.searchsorted(below, ranks, side="right") - 1
        within = (ranks - below[bins] + 0.5) / self.counts[bins]
        values: Floats = self._low + (bins + within) * (self._span / BINS)
        return values
