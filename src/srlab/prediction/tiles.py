"""Grids of tiles in N dimensions: pure arithmetic.

A *tile* is one pass through the network: a core and the overlap around it. The cores partition the
scene. A tile reads its core and `overlap` pixels more on every side. Where these lie beyond the
scene, it is continued there, unless the network is to see its own zeros. All tiles read rectangles
of one shape, so that any of them can share a batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise, product
from math import prod
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from srlab.axes import Window, common, enlarged, relative
from srlab.mistakes import Mistake
from srlab.nn.edges import Edges, check_edges

Join = Literal["crop", "blend"]
"""``crop``: each pixel comes from one tile. ``blend``: around a cut it fades from one into another.

What a layer that sees everything makes of two tiles differs, and no overlap is exact. Cropped tiles
then meet in a step, and blended ones do not.
"""


@dataclass(frozen=True)
class Tile:
    """One pass through the network, in LR pixels of the scene."""

    core: Window
    """The pixels that the tile contributes; the cores of a grid cover each pixel once."""

    read: Window
    """The pixels that the network sees; they contain the core, and may lie beyond the scene."""

    def target(self, scale: Sequence[int]) -> Window:
        """Return the place of the core in the SR scene, in SR pixels."""
        return enlarged(self.core, scale)

    def inside(self, shape: Sequence[int]) -> Window:
        """Return the part of the read that lies in a scene, counted from its first pixel."""
        scene = tuple(slice(0, size) for size in shape)
        return relative(common(self.read, scene), self.read)

    def source(self, window: Window, scale: Sequence[int]) -> Window:
        """Return the place of an SR `window` of the scene in the network's output for this tile."""
        return relative(window, enlarged(self.read, scale))


@dataclass(frozen=True)
class TileGrid:
    """The tiles of a scene: a function of the scene's shape and the settings alone.

    Each axis is divided evenly, so that no tile is longer than `tile` and no pixel is computed
    twice for want of a better division.
    """

    shape: tuple[int, ...]
    """LR pixels of the scene along each axis."""

    tile: tuple[int, ...]
    """The most LR pixels that a tile reads along each axis.

    A scene that is no longer than that is one tile, and what continues it comes on top.
    """

    overlap: tuple[int, ...]
    """LR pixels on each side of a core, beyond the borders of the scene, too."""

    scale: tuple[int, ...]

    multiple_of: tuple[int, ...] = ()
    """Reads start on multiples of it, for networks to which that matters; empty: anywhere."""

    edges: Edges = "replicate"
    """What the network sees beyond the scene; with ``zeros`` no tile reads there."""

    leading: int = 0
    """The first axes, which the network does not see: a tile has one entry along each."""

    join: Join = "crop"

    def __post_init__(self) -> None:
        check_edges(self.edges)
        if self.join not in get_args(Join):
            raise Mistake(f"join is {self.join!r}; it must be one of {', '.join(get_args(Join))}.")
        if not self.multiple_of:
            object.__setattr__(self, "multiple_of", (1,) * len(self.shape))
        for size, rim, longest, overlap, cell in self._settings():
            step = _longest_step(size + 2 * rim, longest, overlap, cell)
            if overlap < 0 or (longest < size and step < 1):
                raise Mistake(
                    f"a tile of {self.tile} pixels with an overlap of {self.overlap} on each side"
                    f"{self._alignment()} leaves no core; use larger tiles (tile=) or less overlap "
                    "(overlap=)."
                )

    def _alignment(self) -> str:
        if set(self.multiple_of) == {1}:
            return ""
        return f", and reads that start on multiples of {self.multiple_of},"

    def __len__(self) -> int:
        return prod(len(axis) for axis in self.axes())

    def __iter__(self) -> Iterator[Tile]:
        """Yield tiles in scan order, the last axis fastest."""
        return self.touching(tuple(slice(0, size) for size in self.target_shape))

    @property
    def target_shape(self) -> tuple[int, ...]:
        """SR pixels of the scene along each axis."""
        return tuple(size * factor for size, factor in zip(self.shape, self.scale, strict=True))

    @property
    def coverage(self) -> float:
        """LR pixels that the tiles read, in scenes: 1 where nothing is read twice."""
        read: int = prod(span.stop - span.start for span in next(iter(self)).read)
        return len(self) * read / prod(self.shape)

    def touching(self, window: Window) -> Iterator[Tile]:
        """Yield the tiles that contribute to an SR `window` of the scene, in scan order."""
        chosen = []
        axes = zip(self.axes(), window, self.scale, self.fades, strict=True)
        for axis, span, factor, fade in axes:
            first, last = span.start // factor - fade, (span.stop - 1) // factor + fade
            chosen.append([pair for pair in axis if _touch(pair[0], range(first, last + 1))])
        for spans in product(*chosen):
            yield Tile(core=tuple(core for core, _ in spans), read=tuple(read for _, read in spans))

    @cached_property
    def fades(self) -> tuple[int, ...]:
        """LR pixels on each side of a cut over which tiles fade into each other.

        It is half the overlap, so that the borders of what a network sees have no part in it. No
        pixel fades twice along an axis.
        """
        if self.join == "crop":
            return (0,) * len(self.shape)
        fades = []
        for axis, overlap in zip(self.axes(), self.overlap, strict=True):
            shortest = min(core.stop - core.start for core, _ in axis)
            fades.append(min(overlap, shortest) // 2)
        return tuple(fades)

    def contributes(self, tile: Tile) -> Window:
        """Return the SR pixels of the scene to which a tile contributes: its core, and fades."""
        spans = []
        for core, fade, size in zip(tile.core, self.fades, self.shape, strict=True):
            spans.append(slice(max(core.start - fade, 0), min(core.stop + fade, size)))
        return enlarged(tuple(spans), self.scale)

    def weights(self, tile: Tile, window: Window) -> NDArray[np.float32]:
        """Return the share of a tile in an SR `window` of what it contributes to, ``window``.

        Over all tiles the shares of a pixel are 1.
        """
        dims = len(window)
        total = np.ones((1,) * dims, np.float32)
        axes = zip(tile.core, window, self.scale, self.fades, self.shape, strict=True)
        for number, (core, span, factor, fade, size) in enumerate(axes):
            share = np.ones(span.stop - span.start, np.float32)
            middles = np.arange(span.start, span.stop) + 0.5
            if fade and core.start > 0:
                share *= _risen(middles - core.start * factor, fade * factor)
            if fade and core.stop < size:
                share *= _risen(core.stop * factor - middles, fade * factor)
            shape = [1] * dims
            shape[number] = share.size
            total = total * share.reshape(shape)
        return total

    def axes(self) -> list[list[tuple[slice, slice]]]:
        """Return core and read of each tile along each axis."""
        return [_spans(*axis) for axis in self._settings()]

    @property
    def rim(self) -> tuple[int, ...]:
        """LR pixels that are added to the scene on each side: the overlap, or a few more.

        With these few a read that starts with the rim starts on a multiple of `multiple_of`.
        """
        if self.edges == "zeros":
            return (0,) * len(self.shape)
        pairs = zip(self.overlap, self.multiple_of, strict=True)
        return tuple(-(-overlap // cell) * cell for overlap, cell in pairs)

    def _settings(self) -> Iterator[tuple[int, int, int, int, int]]:
        """Yield size, rim, tile, overlap and cell of each axis."""
        overlap = self.overlap
        if self.edges != "zeros":
            overlap = self.rim
        return zip(self.shape, self.rim, self.tile, overlap, self.multiple_of, strict=True)


def _risen(distance: NDArray[np.float64], half: int) -> NDArray[np.float32]:
    """Return a ramp from 0 at a distance of minus `half` to 1 at `half`."""
    ramp: NDArray[np.float32] = np.clip((distance + half) / (2 * half), 0, 1).astype(np.float32)
    return ramp


def _touch(core: slice, pixels: range) -> bool:
    return bool(core.start < pixels.stop and core.stop > pixels.start)


def _longest_step(size: int, longest: int, overlap: int, cell: int) -> int:
    """Return the longest way from one read to the next, in multiples of `cell`."""
    return (longest - _shared(size, overlap, cell)) // cell * cell


def _shared(size: int, overlap: int, cell: int) -> int:
    """Return the pixels that neighbouring reads have in common: the overlap of both, or a few more.

    With these few the last read, too, starts on a multiple of `cell` and ends with the scene.
    """
    return 2 * overlap + (size - 2 * overlap) % cell


def _spans(size: int, rim: int, longest: int, overlap: int, cell: int) -> list[tuple[slice, slice]]:
    """Divide one axis evenly: core and read of each tile."""
    if longest >= size:
        return [(slice(0, size), slice(-rim, size + rim))]
    whole = size + 2 * rim
    shared = _shared(whole, overlap, cell)
    count = -(-(whole - shared) // _longest_step(whole, longest, overlap, cell))
    step = -(-(whole - shared) // (count * cell)) * cell
    length = step + shared
    begins = [begin - rim for begin in range(0, whole - shared, step)]
    # The outermost tiles have no neighbour on one side, so their cores reach up to the border.
    cuts = [0, *(begin + overlap for begin in begins[1:]), size]
    spans = []
    for begin, (start, stop) in zip(begins, pairwise(cuts), strict=True):
        first = min(begin, size + rim - length)
        spans.append((slice(start, stop), slice(first, first + length)))
    return spans
