"""The values of an output beside those that are computed anew."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from srlab.axes import Window
from srlab.io import Channel
from srlab.io.stored import to_stored
from srlab.prediction.verification.verdict import Verdict

Pixels = NDArray[np.float32]


class Comparison:
    """Counts the values of an output that differ from the computed ones."""

    def __init__(self, channels: Sequence[Channel]) -> None:
        self._channels = channels
        self.values = self.differing = 0
        self.largest = 0.0
        """The largest difference in steps, see `_step`."""

        self.first: Window | None = None
        """The first window in which values differ."""

        self._apart = self._loss = 0.0

    def add(self, window: Window, got: Pixels, expected: Pixels) -> None:
        """Compare what a file holds in a window, ``(C, *window)``, with what it should hold."""
        for values, wanted, channel in zip(got, expected, self._channels, strict=True):
            values, wanted = _with_holes(values, channel), _with_holes(wanted, channel)
            empty_in_one = np.isnan(values) != np.isnan(wanted)
            difference = np.nan_to_num(np.abs(values - wanted), nan=0.0)
            apart = difference / _step(channel, wanted)
            allowed = 0.25 if channel.dtype.kind in "iu" else 0.0
            wrong = empty_in_one | (apart > allowed)
            self.values += wrong.size
            self.differing += int(wrong.sum())
            self.largest = max(self.largest, float(apart.max()))
            if empty_in_one.any():
                self.largest = np.inf
            self._apart += _squares(difference, channel)
            if wrong.any() and self.first is None:
                self.first = window

    def add_loss(self, encoded: Pixels, computed: Pixels) -> None:
        """Count what an encoder made of computed values."""
        for got, wanted, channel in zip(encoded, computed, self._channels, strict=True):
            self._loss += _squares(np.nan_to_num(got - wanted), channel)

    def verdict(self, count: int, of: int, *, unit: str = "blocks", lossy: bool = False) -> Verdict:
        """Return what was found in a `count` of blocks, `of` all that there are."""
        values = max(self.values, 1)
        return Verdict(
            blocks=count,
            of_blocks=of,
            values=self.values,
            differing=self.differing,
            largest=self.largest,
            first=self.first,
            unit=unit,
            lossy=lossy,
            apart=self._apart / values,
            loss=self._loss / values,
        )


def as_read(pixels: Pixels, channels: Sequence[Channel]) -> Pixels:
    """Return computed values ``(C, *window)`` as a file of these channels gives them back.

    Fully transparent pixels hold no data.
    """
    values = np.stack([_as_read(*pair) for pair in zip(pixels, channels, strict=True)])
    if channels[-1].colour == "alpha":
        values[:, values[-1] == 0] = np.nan
    return values


def _as_read(pixels: Pixels, channel: Channel) -> Pixels:
    missing = np.isnan(pixels)
    stored = to_stored(
        np.where(missing, np.float32(0), pixels)[np.newaxis],
        scale=channel.scale,
        offset=channel.offset,
        dtype=channel.dtype,
        nodata=channel.nodata,
    )[0]
    physical = stored.astype(np.float64) * channel.scale + channel.offset
    return np.where(missing, np.nan, physical).astype(np.float32)


def _with_holes(values: Pixels, channel: Channel) -> Pixels:
    """Return values with NaN for the nodata value, which a file of arrays does not name."""
    if channel.nodata is None or channel.dtype.kind not in "iu":
        return values
    missing = np.float32(channel.nodata * channel.scale + channel.offset)
    return np.where(values == missing, np.float32(np.nan), values)


def _step(channel: Channel, values: Pixels) -> float:
    """Return one step: that of an integer type, or 1e-4 of the largest of floats."""
    if channel.dtype.kind in "iu":
        return abs(channel.scale)
    return 1e-4 * float(np.nan_to_num(np.abs(values)).max()) or 1.0


def _squares(difference: Pixels, channel: Channel) -> float:
    """Return the sum of squares in ranges of an integer type; 0 for floats."""
    if channel.dtype.kind not in "iu":
        return 0.0
    span = float(np.iinfo(channel.dtype).max)
    return float(np.sum((difference.astype(np.float64) / span) ** 2))
