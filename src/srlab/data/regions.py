"""Parts of scenes, and which of them training never sees."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from srlab.io import Reader, Window
from srlab.mistakes import Mistake


@dataclass(frozen=True)
class Region:
    """A rectangle of an open file."""

    reader: Reader
    window: Window

    @classmethod
    def whole(cls, reader: Reader) -> Region:
        """The entire scene."""
        return cls(reader, tuple(slice(0, size) for size in reader.shape))

    @property
    def shape(self) -> tuple[int, ...]:
        """Pixels along each spatial axis."""
        return tuple(span.stop - span.start for span in self.window)

    def part(self, start: Sequence[int], shape: Sequence[int]) -> Region:
        """A smaller rectangle, `start` counted from the region's own corner."""
        spans = zip(self.window, start, shape, strict=True)
        return Region(
            self.reader,
            tuple(slice(own.start + at, own.start + at + size) for own, at, size in spans),
        )

    def read(self) -> NDArray[np.float32]:
        """Read ``(C, *shape)`` in physical units, NaN where the file holds no data."""
        return self.reader.read(self.window)


def hold_out(regions: Sequence[Region], fraction: float) -> tuple[list[Region], list[Region]]:
    """Split into training and validation: whole files if there are several, else the end of the only one.

    Of N files, every k-th is held out, so that both parts cover the whole list; of one file, the last `fraction`
    along its longest axis.
    """
    if not 0 < fraction < 1:
        raise Mistake(f"validation_fraction is {fraction}; it must lie between 0 and 1, as 0.1.")
    if len(regions) > 1:
        count = min(max(round(len(regions) * fraction), 1), len(regions) - 1)
        held = {int((index + 0.5) * len(regions) / count) for index in range(count)}
        return (
            [r for i, r in enumerate(regions) if i not in held],
            [regions[i] for i in sorted(held)],
        )
    (only,) = regions
    axis = max(range(len(only.shape)), key=lambda axis: only.shape[axis])
    # at least a pixel for either part, unless there is only one
    cut = max(min(round(only.shape[axis] * (1 - fraction)), only.shape[axis] - 1), 1)
    corner = [0] * len(only.shape)
    first, second = list(only.shape), list(only.shape)
    first[axis], second[axis] = cut, only.shape[axis] - cut
    far = list(corner)
    far[axis] = cut
    return [only.part(corner, first)], [only.part(far, second)]


def views(
    regions: Sequence[Region], *, size: Sequence[int] | None, count: int | None
) -> list[Region]:
    """Non-overlapping rectangles of at most `size`, evenly chosen over all regions if there are more than `count`."""
    parts = [part for region in regions for part in _tiled(region, size)]
    if count is None or len(parts) <= count:
        return parts
    return [parts[int((index + 0.5) * len(parts) / count)] for index in range(count)]


def _tiled(region: Region, size: Sequence[int] | None) -> Iterator[Region]:
    sides = [min(own, side) for own, side in zip(region.shape, size or region.shape, strict=True)]
    corners = (
        range(0, own - side + 1, side) for own, side in zip(region.shape, sides, strict=True)
    )
    for corner in product(*corners):
        yield region.part(corner, sides)
