"""The division of one axis into tiles: pure arithmetic in LR pixels."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple, overload


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


class Division(Sequence[Span]):
    """The even division of an axis into the fewest tiles, which fade into each other.

    They do so over up to `fade` pixels on each side of where they meet, so that no pixel fades
    twice. Each tile is computed when it is asked for, since a damaged file may claim any size.
    """

    def __init__(self, axis: Stretch, *, fade: int) -> None:
        self._axis = axis
        shared, whole = _shared(axis), axis.size + 2 * axis.rim
        if axis.tile >= axis.size:
            self._step, self.side, self._count = whole, whole, 1
        else:
            count = -(-(whole - shared) // _longest_step(axis))
            self._step = -(-(whole - shared) // (count * axis.cell)) * axis.cell
            self.side = self._step + shared
            self._count = -(-(whole - shared) // self._step)
        self._fade = min(fade, self._shortest() // 2)

    side: int
    """The pixels that each of the tiles reads."""

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, number: int) -> Span: ...
    @overload
    def __getitem__(self, number: slice) -> list[Span]: ...
    def __getitem__(self, number: int | slice) -> Span | list[Span]:
        chosen = range(self._count)[number]
        if isinstance(chosen, range):
            return [self._span(each) for each in chosen]
        return self._span(chosen)

    def _span(self, number: int) -> Span:
        axis, core = self._axis, self._core(number)
        first = min(self._begin(number), axis.size + axis.rim - self.side)
        read = slice(first, first + self.side)
        faded = slice(max(core.start - self._fade, 0), min(core.stop + self._fade, axis.size))
        core, read, faded = (_moved(each, axis.scene.start) for each in (core, read, faded))
        return Span(core, read, faded, axis.scene)

    def _core(self, number: int) -> slice:
        """Return the core of a tile, counted from the beginning of the scene."""
        start, stop = 0, self._axis.size
        # The outermost tiles have no neighbour on one side, so their cores reach up to the border.
        if number > 0:
            start = self._begin(number) + self._axis.overlap
        if number < self._count - 1:
            stop = self._begin(number + 1) + self._axis.overlap
        return slice(start, stop)

    def _begin(self, number: int) -> int:
        """Return where a tile begins to read; the last one is moved back to end with the rim."""
        return number * self._step - self._axis.rim

    def _shortest(self) -> int:
        """Return the pixels of the shortest core: the first, the last or one of those between."""
        cores = [self._core(number) for number in (0, self._count // 2, self._count - 1)]
        return min(int(core.stop - core.start) for core in cores)


def shots(size: int, cuts: Sequence[int]) -> list[slice]:
    """Return the parts into which an axis of a `size` is cut."""
    return [slice(start, stop) for start, stop in pairwise([0, *cuts, size])]


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
