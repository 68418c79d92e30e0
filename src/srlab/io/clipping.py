"""Values that are beyond the type in which a file stores them."""

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
    """The clipped values of the channels of a file, or of several files."""

    @property
    def counts(self) -> tuple[int, ...]:
        """The number for each channel."""

    def add(self, counts: Sequence[int], *, pixels: int) -> None:
        """Add what another process counted in a number of pixels."""


class Clipping:
    """Counts the values of each band that are clipped to the range of its integers.

    Those that are rounded into the range are none of them, and floats are never clipped. It counts
    what this process writes; what others wrote is added.
    """

    def __init__(self, channels: Sequence[Channel]) -> None:
        self._channels = channels
        self._counts = np.zeros(len(channels), np.int64)
        self._pixels = 0

    @property
    def counts(self) -> tuple[int, ...]:
        """The clipped values of each band."""
        return tuple(self._counts.tolist())

    def add(self, counts: Sequence[int], *, pixels: int) -> None:
        """Add what another process counted in a number of pixels."""
        self._counts += np.asarray(counts, np.int64)
        self._pixels += pixels

    def count(self, array: NDArray[np.float32]) -> None:
        """Count the values of a block ``(C, *window)`` in physical units."""
        self._pixels += array[0].size
        ends = [_limits(each) for each in self._channels if each.dtype.kind in "iu"]
        if not ends or _all_within(array, ends):
            return
        for number, (plane, channel) in enumerate(zip(array, self._channels, strict=True)):
            if channel.dtype.kind in "iu":
                low, high = _limits(channel)
                beyond = np.count_nonzero(plane < low) + np.count_nonzero(plane > high)
                self._counts[number] += beyond

    @property
    def tags(self) -> dict[str, str]:
        """The clipped values of each band, as a tag of the file; nothing if there are none."""
        found = [f"{name} {count}" for name, count in self._found()]
        return {"CLIPPED_VALUES": ", ".join(found)} if found else {}

    @property
    def total(self) -> int:
        """The clipped values of all bands."""
        return int(self._counts.sum())

    def report(self, path: Path) -> None:
        """Log one line if values were clipped."""
        parts = [f"{count} of {name} ({count / self._pixels:.2%})" for name, count in self._found()]
        if parts:
            types = sorted({str(channel.dtype) for channel in self._channels})
            log.info(
                "%s: values beyond the range of %s were clipped: %s",
                path,
                " and ".join(types),
                ", ".join(parts),
            )

    def _found(self) -> list[tuple[str, int]]:
        pairs = zip(self._channels, self._counts.tolist(), strict=True)
        return [(channel.name, count) for channel, count in pairs if count]


def _all_within(array: NDArray[np.float32], ends: Sequence[tuple[np.float32, np.float32]]) -> bool:
    """Whether no value is beyond any channel's limits, told in two quick passes; not if one is NaN.

    The planes of a network lie interleaved in memory, and one of them alone is slow to look at.
    """
    low, high = max(low for low, _ in ends), min(high for _, high in ends)
    return bool(array.min() >= low and array.max() <= high)


def _limits(channel: Channel) -> tuple[np.float32, np.float32]:
    """Return the physical values beyond which rounding does not lead back into the type."""
    limits = np.iinfo(channel.dtype)
    ends = [
        np.float32(end * channel.scale + channel.offset)
        for end in (limits.min - 0.5, limits.max + 0.5)
    ]
    return min(ends), max(ends)
