"""Plans of tiles in N dimensions: pure arithmetic.

A *tile* is one pass through the network: a core and the overlap around it. The cores partition the scene, and a
tile reads its core and `overlap` pixels more on every side, shifted inwards at the scene's borders, so that all
tiles have one size and a border pixel is seen as the whole scene would show it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import ceil

Window = tuple[slice, ...]


@dataclass(frozen=True)
class Tile:
    """One pass through the network, in LR pixels of the scene."""

    core: Window
    """What the tile contributes; the cores of a plan cover each pixel once."""

    read: Window
    """What the network sees; contains the core."""

    def crop(self, scale: Sequence[int]) -> Window:
        """Where the core lies in the network's output for this tile, in SR pixels."""
        return tuple(
            slice((core.start - read.start) * factor, (core.stop - read.start) * factor)
            for core, read, factor in zip(self.core, self.read, scale, strict=True)
        )

    def target(self, scale: Sequence[int]) -> Window:
        """Where the core lies in the SR scene, in SR pixels."""
        return tuple(
            slice(core.start * factor, core.stop * factor) for core, factor in zip(self.core, scale, strict=True)
        )


@dataclass(frozen=True)
class TilePlan:
    """The tiles of a scene; a function of the scene's shape and the settings alone."""

    shape: tuple[int, ...]
    tile: tuple[int, ...]
    overlap: tuple[int, ...]

    def __post_init__(self) -> None:
        for size, length, overlap in zip(self.shape, self.tile, self.overlap, strict=True):
            if overlap < 0 or (length < size and length <= 2 * overlap):
                raise ValueError(
                    f"a tile of {self.tile} pixels with an overlap of {self.overlap} on each side leaves no core; "
                    "use larger tiles (tile=) or less overlap (overlap=)."
                )

    def __len__(self) -> int:
        count = 1
        for axis in self._axes():
            count *= len(axis)
        return count

    def __iter__(self) -> Iterator[Tile]:
        """Tiles in scan order, the last axis fastest."""
        for spans in product(*self._axes()):
            yield Tile(core=tuple(core for core, _ in spans), read=tuple(read for _, read in spans))

    def _axes(self) -> list[list[tuple[slice, slice]]]:
        return [_spans(*axis) for axis in zip(self.shape, self.tile, self.overlap, strict=True)]


def _spans(size: int, length: int, overlap: int) -> list[tuple[slice, slice]]:
    """Core and read of each tile along one axis; all reads are equally long."""
    if length >= size:
        return [(slice(0, size), slice(0, size))]
    # The first and the last tile lack an outer overlap, so their cores may be longer.
    inner = length - 2 * overlap
    count = max(2, ceil((size - 2 * overlap) / inner))
    spans = []
    for index in range(count):
        start = 0 if index == 0 else overlap + index * inner
        stop = size if index == count - 1 else overlap + (index + 1) * inner
        begin = min(max(start - overlap, 0), size - length)
        spans.append((slice(start, stop), slice(begin, begin + length)))
    return spans
