"""Files of one ground as one large image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from srlab.axes import Window, common
from srlab.data.rectangles import cut, disjoint, grown, hull
from srlab.data.regions import Region
from srlab.data.splits.ground import ground_of
from srlab.data.splits.protocol import Parted

LARGE = 0.5
"""The share of a block along each axis that a file must hold for it to be worth a score."""


@dataclass(frozen=True)
class Mosaic:
    """Whole files whose pixels lie on one grid, each with the place of its first pixel."""

    alone: ClassVar = "the files make one block"

    regions: Sequence[Region]
    origins: Sequence[Sequence[int]]

    @classmethod
    def of(cls, regions: Sequence[Region]) -> Mosaic | None:
        """Lay files onto the grid of the first one, or return None if they have other grids."""
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

        Only those count of which a file holds a large part.
        """
        blocks = cut(self.extent, size)
        return [block for block in blocks if any(self._pieces(block, LARGE))]

    def parted(self, held: Sequence[Window], *, gap: Sequence[int], least: float) -> Parted:
        """Hold out windows of the mosaic, and train on nothing within `gap` pixels of them.

        Where a file has less of a window than the share `least` along an axis, that is not used.
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
        for region, origin in zip(self.regions, self.origins, strict=True):
            spans = zip(origin, region.shape, strict=True)
            yield region, tuple(slice(at, at + size) for at, size in spans)

    def _pieces(self, window: Window, least: float) -> Iterator[Region]:
        """Yield what each file holds of a window, where it is a share of `least` on every axis."""
        for region, own in self._placed():
            if not _meet(window, own):
                continue
            piece = common(window, own)
            sides = zip(_shape(piece), _shape(window), strict=True)
            if all(got >= least * wanted for got, wanted in sides):
                yield _part(region, own, piece)


def _offset(first: Region, other: Region) -> Sequence[int] | None:
    """Return the place of a file's first pixel on the grid of another one, if they share it."""
    ground, other_ground = ground_of(first), ground_of(other)
    if ground is None or other_ground is None:
        return None
    return ground.offset(other_ground)


def _meet(one: Window, other: Window) -> bool:
    spans = zip(one, other, strict=True)
    return all(a.start < b.stop and b.start < a.stop for a, b in spans)


def _part(region: Region, own: Window, window: Window) -> Region:
    """Return the part of a file that is placed at `own`, by a window of the mosaic in it."""
    start = [span.start - whole.start for span, whole in zip(window, own, strict=True)]
    return region.part(start, _shape(window))


def _shape(window: Window) -> list[int]:
    return [span.stop - span.start for span in window]
