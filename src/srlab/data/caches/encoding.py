"""Decoded values in as few bytes as give them back bit for bit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from srlab.axes import Window
from srlab.io import Description, Reader
from srlab.io.stored import holds

BLOCK = 32 * 2**20
"""Bytes of the float32 values that are decoded at once, if the sides of tiles allow it."""


class InexactEncoding(Exception):
    """Says that an encoding does not give back the values of a file."""


@dataclass(frozen=True)
class Encoding:
    """Physical values as numbers of a smaller type: ``physical = stored · scale + offset``.

    There is an entry for each channel. The `nodata` number stands for NaN; None: nothing does.
    """

    dtype: np.dtype[Any]
    scale: tuple[float, ...] = ()
    offset: tuple[float, ...] = ()
    nodata: tuple[float | None, ...] = ()

    def encode(self, values: NDArray[np.float32]) -> NDArray[Any]:
        """Encode ``(C, *S)``; an `InexactEncoding` is raised if `decode` would give others."""
        if self.dtype == np.float32:
            return values
        stored = np.empty(values.shape, self.dtype)
        for own, plane, scale, offset, nodata in self._planes(stored, values):
            exact = np.rint((plane.astype(np.float64) - offset) / scale)
            if nodata is not None:
                exact[np.isnan(exact)] = nodata
            with np.errstate(invalid="ignore"):  # what does not fit is found below
                own[...] = exact.astype(self.dtype)
        if not np.array_equal(self.decode(stored), values, equal_nan=True):
            raise InexactEncoding
        return stored

    def decode(self, stored: NDArray[Any]) -> NDArray[np.float32]:
        """Give ``(C, *S)`` in physical units, NaN where there is no data."""
        values = stored.astype(np.float32)
        for own, plane, scale, offset, nodata in self._planes(values, stored):
            if (scale, offset) != (1.0, 0.0):
                own[...] = plane.astype(np.float64) * scale + offset
            if nodata is not None:
                own[plane == nodata] = np.nan
        return values

    def _planes(self, first: NDArray[Any], second: NDArray[Any]) -> Iterator[tuple[Any, ...]]:
        if self.dtype == np.float32:
            return iter(())
        return zip(first, second, self.scale, self.offset, self.nodata, strict=True)


def encodings(description: Description) -> list[Encoding]:
    """Return the encodings that may suit a file, the smallest first; the last always does."""
    able = [Encoding(np.dtype(np.float32))]
    channels = description.channels
    dtype = description.dtype
    if dtype.kind in "iu" and dtype.itemsize < 4:
        nodata = [channel.nodata for channel in channels]
        whole = [value is not None and holds(dtype, value) for value in nodata]
        smaller = Encoding(
            dtype,
            tuple(channel.scale for channel in channels),
            tuple(channel.offset for channel in channels),
            tuple(value if fits else None for value, fits in zip(nodata, whole, strict=True)),
        )
        able.insert(0, smaller)
    return able


def encoded(
    reader: Reader, encoding: Encoding, sides: tuple[int, ...]
) -> Iterator[tuple[Window, NDArray[Any]]]:
    """Go through a file in blocks on multiples of `sides`, a bounded number of bytes at a time."""
    shape = reader.description.shape
    step = list(shape)
    for axis, side in enumerate(sides):
        bytes_ = 4 * len(reader.description.channels) * prod(step)
        fitting = int(step[axis] * BLOCK / bytes_) // side * side
        step[axis] = min(step[axis], max(fitting, side))
    for start in product(*(range(0, size, own) for size, own in zip(shape, step, strict=True))):
        corners = zip(start, step, shape, strict=True)
        window = tuple(slice(at, min(at + own, size)) for at, own, size in corners)
        yield window, encoding.encode(reader.read(window))
