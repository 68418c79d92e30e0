"""Counts of values that were clipped, since the type of the output cannot hold them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from srlab.io.description import Channel

log = logging.getLogger(__name__)


class Counts(Protocol):
    """Counts of clipped values, of one output or of several together."""

    @property
    def counts(self) -> tuple[int, ...]:
        """The number of clipped values of each channel."""

    def add(self, counts: Sequence[int], *, pixels: int) -> None:
        """Add the counts of another process, which wrote this number of `pixels`."""


class Clipping:
    """Counts, for each channel, the values that lie beyond the range of its integer type.

    Values that rounding brings back into the range do not count, and floats are never clipped.
    `count` sees the blocks of this process; `add` takes the counts of other processes.
    """

    def __init__(self, channels: Sequence[Channel]) -> None:
        self._channels = channels
        self._counts = np.zeros(len(channels), np.int64)
        self._pixels = 0

    @property
    def counts(self) -> tuple[int, ...]:
        """The number of clipped values of each channel."""
        return tuple(self._counts.tolist())

    def add(self, counts: Sequence[int], *, pixels: int) -> None:
        """Add the counts of another process, which wrote this number of `pixels`."""
        self._counts += np.asarray(counts, np.int64)
        self._pixels += pixels

    def count(self, array: NDArray[np.float32]) -> None:
        """Count the values of a block ``(C, *window)`` in physical units."""
        self._pixels += array[0].size
        limits = [_limits(channel) for channel in self._channels if channel.dtype.kind in "iu"]
        if not limits or _all_within(array, limits):
            return
        for number, (plane, channel) in enumerate(zip(array, self._channels, strict=True)):
            if channel.dtype.kind in "iu":
                low, high = _limits(channel)
                beyond = np.count_nonzero(plane < low) + np.count_nonzero(plane > high)
                self._counts[number] += beyond

    @property
    def tags(self) -> dict[str, str]:
        """The counts as a tag of the output, such as ``B04 17``; empty if nothing was clipped."""
        listed = [f"{name} {count}" for name, count in self._clipped()]
        return {"CLIPPED_VALUES": ", ".join(listed)} if listed else {}

    @property
    def total(self) -> int:
        """The number of clipped values of all channels."""
        return int(self._counts.sum())

    def report(self, path: Path) -> None:
        """Log one line if values were clipped."""
        shares = []
        for name, count in self._clipped():
            shares.append(f"{count} of {name} ({count / self._pixels:.2%})")
        if shares:
            types = sorted({str(channel.dtype) for channel in self._channels})
            log.info(
                "%s: values beyond the range of %s were clipped: %s",
                path,
                " and ".join(types),
                ", ".join(shares),
            )

    def _clipped(self) -> list[tuple[str, int]]:
        """Return the name and the count of each channel in which values were clipped."""
        pairs = zip(self._channels, self._counts.tolist(), strict=True)
        return [(channel.name, count) for channel, count in pairs if count]


def _all_within(
    array: NDArray[np.float32], limits: Sequence[tuple[np.float32, np.float32]]
) -> bool:
    """Whether all values are within the limits of every channel; False if a value is NaN.

    This quick check saves most counts. A single channel takes long to go through, since the
    channels of a network's output are interleaved in memory.
    """
    low, high = max(low for low, _ in limits), min(high for _, high in limits)
    return bool(array.min() >= low and array.max() <= high)


def _limits(channel: Channel) -> tuple[np.float32, np.float32]:
    """Return the lowest and highest physical values that are rounded into the stored type."""
    limits = np.iinfo(channel.dtype)
    first = np.float32((limits.min - 0.5) * channel.scale + channel.offset)
    last = np.float32((limits.max + 0.5) * channel.scale + channel.offset)
    return min(first, last), max(first, last)  # a negative scale turns them round
