"""Encoding: physical values as stored numbers of few bytes, without any loss."""

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
"""Bytes of float32 values that are decoded at once; more if a row of tiles is larger."""


class InexactEncoding(Exception):
    """An encoding does not restore the values of a file exactly."""


@dataclass(frozen=True)
class Encoding:
    """Physical values as numbers of a smaller type: ``physical = stored · scale + offset``.

    Each tuple has one entry for each channel. The number `nodata` stands for NaN; with None, no
    number does.
    """

    dtype: np.dtype[Any]
    scale: tuple[float, ...] = ()
    offset: tuple[float, ...] = ()
    nodata: tuple[float | None, ...] = ()

    def encode(self, values: NDArray[np.float32]) -> NDArray[Any]:
        """Encode ``(C, *S)``, or raise an `InexactEncoding` if `decode` would not restore it."""
        if self.dtype == np.float32:
            return values
        stored = np.empty(values.shape, self.dtype)
        for own, plane, scale, offset, nodata in self._planes(stored, values):
            exact = np.rint((plane.astype(np.float64) - offset) / scale)
            if nodata is not None:
                exact[np.isnan(exact)] = nodata
            with np.errstate(invalid="ignore"):  # values that do not fit are found below
                own[...] = exact.astype(self.dtype)
        if not np.array_equal(self.decode(stored), values, equal_nan=True):
            raise InexactEncoding
        return stored

    def decode(self, stored: NDArray[Any]) -> NDArray[np.float32]:
        """Return ``(C, *S)`` in physical units, NaN where there is no data."""
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
    """Return the encodings to try for a file, the smallest first; the last one always fits."""
    candidates = [Encoding(np.dtype(np.float32))]
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
        candidates.insert(0, smaller)
    return candidates


def encoded(
    reader: Reader, encoding: Encoding, sides: tuple[int, ...]
) -> Iterator[tuple[Window, NDArray[Any]]]:
    """Yield the blocks of a file, encoded; they begin on multiples of `sides`, about `BLOCK` each.

    Raises an `InexactEncoding` if a value is not restored exactly.
    """
    shape = reader.description.shape
    step = list(shape)
    for axis, side in enumerate(sides):
        bytes_ = 4 * len(reader.description.channels) * prod(step)
        fitting = int(step[axis] * BLOCK / bytes_) // side * side
        step[axis] = min(step[axis], max(fitting, side))
    starts = [range(0, size, own) for size, own in zip(shape, step, strict=True)]
    for start in product(*starts):
        corners = zip(start, step, shape, strict=True)
        window = tuple(slice(at, min(at + own, size)) for at, own, size in corners)
        yield window, encoding.encode(reader.read(window))
