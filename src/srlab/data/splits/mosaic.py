"""Mosaic: files on one grid, treated as one large image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from srlab.axes import Window, common
from srlab.data.places.rectangles import cut, disjoint, grown, hull
from srlab.data.places.regions import Region
from srlab.data.splits.ground import ground_of
from srlab.data.splits.protocol import Parted

LARGE = 0.5
"""The share of a held-out block, along each axis, that a file must cover to be scored there."""


@dataclass(frozen=True)
class Mosaic:
    """Whole files whose pixels lie on one grid."""

    alone: ClassVar = "the files make one block"
    """The reason, for a message, if there is only one block."""

    regions: Sequence[Region]
    origins: Sequence[Sequence[int]]
    """The place of the first pixel of each file, on the grid of the first file."""

    @classmethod
    def of(cls, regions: Sequence[Region]) -> Mosaic | None:
        """Place files on the grid of the first one, or return None if their grids differ."""
        origins: list[Sequence[int]] = [[0] * len(regions[0].shape)]
        for region in regions[1:]:
            offset = _offset(regions[0], region)
            if offset is None:
                return None
            origins.append(offset)
        return cls(regions, origins)

    @property
    def extent(self) -> Window:
        """The smallest window that holds all files."""
        return hull([window for _, window in self._placed()])

    def blocks(self, size: Sequence[int]) -> list[Window]:
        """Divide the extent evenly into blocks of at most `size` pixels a side.

        Blocks of which no file covers a share of `LARGE` along each axis are left out.
        """
        blocks = cut(self.extent, size)
        return [block for block in blocks if any(self._pieces(block, LARGE))]

    def parted(self, held: Sequence[Window], *, gap: Sequence[int], least: float) -> Parted:
        """Hold out windows of the mosaic, and train on nothing within `gap` pixels of them.

        A file that covers less than the share `least` of a window along an axis is not validated
        on there.
        """
        fences = [grown(window, gap, gap) for window in held]
        training = []
        for region, own in self._placed():
            near = [fence for fence in fences if _meet(fence, own)]
            for window in disjoint([own], without=near):
                training.append(_part(region, own, window))
        held_out = [piece for window in held for piece in self._pieces(window, least)]
        return Parted(training, held_out)

    def _placed(self) -> Iterator[tuple[Region, Window]]:
        """Yield each file and its window in the mosaic."""
        for region, origin in zip(self.regions, self.origins, strict=True):
            spans = zip(origin, region.shape, strict=True)
            yield region, tuple(slice(at, at + size) for at, size in spans)

    def _pieces(self, window: Window, least: float) -> Iterator[Region]:
        """Yield the part of a window in each file that covers a share of `least` on every axis."""
        for region, own in self._placed():
            if not _meet(window, own):
                continue
            piece = common(window, own)
            sides = zip(_shape(piece), _shape(window), strict=True)
            if all(got >= least * wanted for got, wanted in sides):
                yield _part(region, own, piece)


def _offset(first: Region, other: Region) -> Sequence[int] | None:
    """Return the place of the first pixel of `other` on the grid of `first`, if they share it."""
    ground, other_ground = ground_of(first), ground_of(other)
    if ground is None or other_ground is None:
        return None
    return ground.offset(other_ground)


def _meet(first: Window, second: Window) -> bool:
    """Whether two windows have a pixel in common."""
    spans = zip(first, second, strict=True)
    return all(a.start < b.stop and b.start < a.stop for a, b in spans)


def _part(region: Region, own: Window, window: Window) -> Region:
    """Return the part of a file at `own` in the mosaic that a window of the mosaic covers."""
    start = [span.start - whole.start for span, whole in zip(window, own, strict=True)]
    return region.part(start, _shape(window))


def _shape(window: Window) -> list[int]:
    return [span.stop - span.start for span in window]
