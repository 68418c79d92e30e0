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

from srlab.mistakes import Mistake

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
            slice(core.start * factor, core.stop * factor)
            for core, factor in zip(self.core, scale, strict=True)
        )


@dataclass(frozen=True)
class TilePlan:
    """The tiles of a scene; a function of the scene's shape and the settings alone."""

    shape: tuple[int, ...]
    tile: tuple[int, ...]
    overlap: tuple[int, ...]

    multiple_of: tuple[int, ...] = ()
    """Reads start on multiples of it, for networks whose answer depends on where the first pixel lies; empty: of 1."""

    def __post_init__(self) -> None:
        if not self.multiple_of:
            object.__setattr__(self, "multiple_of", (1,) * len(self.shape))
        aligned = (
            ""
            if set(self.multiple_of) <= {1}
            else f", and reads that start on multiples of {self.multiple_of},"
        )
        for size, length, overlap, cell in zip(*self._settings(), strict=True):
            if overlap < 0 or (length < size and _step(size, length, overlap, cell) < 1):
                raise Mistake(
                    f"a tile of {self.tile} pixels with an overlap of {self.overlap} on each side{aligned} leaves no "
                    "core; use larger tiles (tile=) or less overlap (overlap=)."
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
        return [_spans(*axis) for axis in zip(*self._settings(), strict=True)]

    def _settings(self) -> tuple[tuple[int, ...], ...]:
        return self.shape, self.tile, self.overlap, self.multiple_of


def _read_length(size: int, length: int, cell: int) -> int:
    """The longest read with which the last tile, too, starts on a multiple of `cell`."""
    return length - (length - size) % cell


def _step(size: int, length: int, overlap: int, cell: int) -> int:
    """From one tile to the next."""
    return (_read_length(size, length, cell) - 2 * overlap) // cell * cell


def _spans(size: int, length: int, overlap: int, cell: int) -> list[tuple[slice, slice]]:
    """Core and read of each tile along one axis; all reads are equally long."""
    if length >= size:
        return [(slice(0, size), slice(0, size))]
    # The first and the last tile lack an outer overlap, so their cores may be longer.
    inner, length = _step(size, length, overlap, cell), _read_length(size, length, cell)
    count = 1 + ceil((size - length) / inner)
    spans = []
    for index in range(count):
        start = 0 if index == 0 else overlap + index * inner
        stop = size if index == count - 1 else overlap + (index + 1) * inner
        begin = min(max(start - overlap, 0), size - length)
        spans.append((slice(start, stop), slice(begin, begin + length)))
    return spans
