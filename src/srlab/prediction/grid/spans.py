"""The division of one axis into tiles: pure arithmetic in LR pixels."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple


class Span(NamedTuple):
    """A tile along one axis; see `srlab.prediction.grid.tiles.Tile`."""

    core: slice
    read: slice
    faded: slice
    scene: slice


class Stretch(NamedTuple):
    """An axis, or a shot along it, that is to be divided; see `TileGrid`."""

    scene: slice
    rim: int
    tile: int
    overlap: int
    cell: int

    @property
    def size(self) -> int:
        """Pixels that belong to the scene."""
        return int(self.scene.stop - self.scene.start)

    @property
    def is_divisible(self) -> bool:
        """Whether a tile holds more than its overlap, or all there is."""
        return self.tile >= self.size or _longest_step(self) >= 1


def divided(axis: Stretch, *, fade: int) -> list[Span]:
    """Divide an axis evenly into the fewest tiles, which fade into each other.

    They do so over up to `fade` pixels on each side of where they meet, so that no pixel fades
    twice.
    """
    pairs = _cores_and_reads(axis)
    shortest = min(core.stop - core.start for core, _ in pairs)
    fade = min(fade, shortest // 2)
    spans = []
    for core, read in pairs:
        faded = slice(max(core.start - fade, 0), min(core.stop + fade, axis.size))
        core, read, faded = (_moved(each, axis.scene.start) for each in (core, read, faded))
        spans.append(Span(core, read, faded, axis.scene))
    return spans


def shots(size: int, cuts: Sequence[int]) -> list[slice]:
    """Return the parts into which an axis of a `size` is cut."""
    return [slice(start, stop) for start, stop in pairwise([0, *cuts, size])]


def _cores_and_reads(axis: Stretch) -> list[tuple[slice, slice]]:
    """Return core and read of each tile, counted from the beginning of the scene."""
    size, rim, overlap, cell = axis.size, axis.rim, axis.overlap, axis.cell
    if axis.tile >= size:
        return [(slice(0, size), slice(-rim, size + rim))]
    whole = size + 2 * rim
    shared = _shared(axis)
    count = -(-(whole - shared) // _longest_step(axis))
    step = -(-(whole - shared) // (count * cell)) * cell
    length = step + shared
    begins = [begin - rim for begin in range(0, whole - shared, step)]
    # The outermost tiles have no neighbour on one side, so their cores reach up to the border.
    ends = [0, *(begin + overlap for begin in begins[1:]), size]
    spans = []
    for begin, (start, stop) in zip(begins, pairwise(ends), strict=True):
        first = min(begin, size + rim - length)
        spans.append((slice(start, stop), slice(first, first + length)))
    return spans


def _longest_step(axis: Stretch) -> int:
    """Return the longest way from one read to the next, in whole cells."""
    return (axis.tile - _shared(axis)) // axis.cell * axis.cell


def _shared(axis: Stretch) -> int:
    """Return the pixels that neighbouring reads have in common: the overlap of both, or a few more.

    With these few the last read, too, starts on a multiple of the cell and ends with the scene.
    """
    both = 2 * axis.overlap
    return both + (axis.size + 2 * axis.rim - both) % axis.cell


def _moved(span: slice, pixels: int) -> slice:
    return slice(span.start + pixels, span.stop + pixels)
