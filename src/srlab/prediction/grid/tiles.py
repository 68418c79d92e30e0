"""Grids of tiles in N dimensions: pure arithmetic.

A *tile* is one pass through the network: a core and the overlap around it. The cores partition the
scene. A tile reads its core and `overlap` pixels more on every side. Where these lie beyond the
scene, it is continued there, unless the network is to see its own zeros. All tiles read rectangles
of one shape, so that any of them can share a batch.

A video may be cut into shots. Each of them is then divided as a scene of its own, and tiles of one
shot have one shape.
"""

from __future__ import annotations

import sys
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, product
from math import prod
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from srlab.axes import Window, common, enlarged, relative
from srlab.mistakes import Mistake
from srlab.nn.edges import Edges, check_edges
from srlab.nn.shrinking import Spare
from srlab.prediction.grid.spans import Division, Span, Stretch, shots

Join = Literal["crop", "blend"]
"""``crop``: each pixel comes from one tile. ``blend``: where tiles meet, they fade into each other.

What a layer that sees everything makes of two tiles differs, and no overlap is exact. Cropped tiles
then meet in a step, and blended ones do not.
"""


@dataclass(frozen=True)
class Tile:
    """One pass through the network, in LR pixels of the scene."""

    core: Window
    """The pixels that belong to the tile; the cores of a grid cover each pixel once."""

    read: Window
    """The pixels that the network sees; they contain the core, and may lie beyond the scene."""

    faded: Window
    """The pixels that the tile contributes to: its core, and where it fades into neighbours."""

    scene: Window
    """All that the tile may know: the whole scene, or its shot. It is continued beyond that."""

    @classmethod
    def of(cls, spans: Sequence[Span]) -> Tile:
        """Return the tile that has a span along each axis."""
        return cls(*(tuple(windows) for windows in zip(*spans, strict=True)))

    def target(self, scale: Sequence[int]) -> Window:
        """Return the place of the core in the SR scene, in SR pixels."""
        return enlarged(self.core, scale)

    @property
    def inside(self) -> Window:
        """The part of the read that lies in the scene, counted from its first pixel."""
        return relative(common(self.read, self.scene), self.read)

    @property
    def spare(self) -> Spare:
        """The pixels of the read on each side to whose SR the tile does not contribute."""
        sides = zip(self.read, self.faded, strict=True)
        return tuple((own.start - read.start, read.stop - own.stop) for read, own in sides)

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

    cuts: tuple[int, ...] = ()
    """Frames that begin a new shot, along the first axis that the network sees."""

    def __post_init__(self) -> None:
        check_edges(self.edges)
        if self.join not in get_args(Join):
            raise Mistake(f"join is {self.join!r}; it must be one of {', '.join(get_args(Join))}.")
        if not self.multiple_of:
            object.__setattr__(self, "multiple_of", (1,) * len(self.shape))
        self._check_cuts()
        for axis in chain(*self._axes()):
            if axis.overlap < 0 or not axis.is_divisible:
                raise Mistake(
                    f"a tile of {self.tile} pixels with an overlap of {self.overlap} on each side"
                    f"{self._alignment()} leaves no core; use larger tiles (tile=) or less overlap "
                    "(overlap=)."
                )

    def _check_cuts(self) -> None:
        known = range(1, self.shape[self.leading]) if self.cuts else ()
        if sorted({*self.cuts}.intersection(known)) != list(self.cuts):
            raise Mistake(
                f"the cuts are at frames {list(self.cuts)}; they must rise, within the "
                f"{self.shape[self.leading]} frames of the scene."
            )

    def _alignment(self) -> str:
        if set(self.multiple_of) == {1}:
            return ""
        return f", and reads that start on multiples of {self.multiple_of},"

    def __len__(self) -> int:
        return min(prod(len(axis) for axis in self.axes), sys.maxsize)  # the most that Python takes

    def __iter__(self) -> Iterator[Tile]:
        """Yield tiles in scan order, the last axis fastest."""
        return self.touching(tuple(slice(0, size) for size in self.target_shape))

    @property
    def target_shape(self) -> tuple[int, ...]:
        """SR pixels of the scene along each axis."""
        return tuple(size * factor for size, factor in zip(self.shape, self.scale, strict=True))

    def touching(self, window: Window) -> Iterator[Tile]:
        """Yield the tiles that contribute to an SR `window` of the scene, in scan order."""
        chosen = []
        for axis, span, factor in zip(self.axes, window, self.scale, strict=True):
            first, last = span.start // factor, (span.stop - 1) // factor
            begin = bisect_right(axis, first, key=lambda each: each.faded.stop)
            end = bisect_right(axis, last, key=lambda each: each.faded.start)
            chosen.append(axis[begin:end])
        return map(Tile.of, product(*chosen))

    def contributes(self, tile: Tile) -> Window:
        """Return the SR pixels of the scene to which a tile contributes."""
        return enlarged(tile.faded, self.scale)

    def weights(self, tile: Tile, window: Window) -> NDArray[np.float32]:
        """Return the share of a tile in an SR `window` of what it contributes to, ``window``.

        Over all tiles the shares of a pixel are 1.
        """
        dims = len(window)
        total = np.ones((1,) * dims, np.float32)
        axes = zip(tile.core, tile.faded, window, self.scale, strict=True)
        for number, (core, faded, span, factor) in enumerate(axes):
            share = np.ones(span.stop - span.start, np.float32)
            middles = np.arange(span.start, span.stop) + 0.5
            before, after = core.start - faded.start, faded.stop - core.stop
            if before:
                share *= _risen(middles - core.start * factor, before * factor)
            if after:
                share *= _risen(core.stop * factor - middles, after * factor)
            shape = [1] * dims
            shape[number] = share.size
            total = total * share.reshape(shape)
        return total

    @cached_property
    def axes(self) -> list[Sequence[Span]]:
        """The tiles along each axis.

        Where they fade, it is over half the overlap on each side of where they meet. So the borders
        of what a network sees have no part in it.
        """
        return [
            shot if not others else [*chain(shot, *others)] for shot, *others in self._divisions
        ]

    @property
    def sides(self) -> tuple[int, ...]:
        """LR pixels that the largest tile reads along each axis."""
        return tuple(max(shot.side for shot in axis) for axis in self._divisions)

    @cached_property
    def _divisions(self) -> list[list[Division]]:
        """The tiles of each shot along each axis."""
        divisions = []
        for shots_of_axis, fade in zip(self._axes(), self._fades, strict=True):
            divisions.append([Division(shot, fade=fade) for shot in shots_of_axis])
        return divisions

    @property
    def surroundings(self) -> tuple[int, ...]:
        """LR pixels that a tile reads at least on each side of all that it contributes."""
        pairs = zip(self.overlap, self._fades, strict=True)
        return tuple(overlap - fade for overlap, fade in pairs)

    @property
    def _fades(self) -> tuple[int, ...]:
        if self.join == "crop":
            return (0,) * len(self.overlap)
        return tuple(overlap // 2 for overlap in self.overlap)

    @property
    def divided_axes(self) -> list[int]:
        """The axes along which a network sees less than all at once; those before are not seen."""
        found = []
        for number, shots_of_axis in enumerate(self._axes()):
            if number >= self.leading and any(shot.size > shot.tile for shot in shots_of_axis):
                found.append(number)
        return found

    @property
    def rim(self) -> tuple[int, ...]:
        """LR pixels that are added to the scene on each side: the overlap, or a few more.

        With these few a read that starts with the rim starts on a multiple of `multiple_of`.
        """
        if self.edges == "zeros":
            return (0,) * len(self.shape)
        pairs = zip(self.overlap, self.multiple_of, strict=True)
        return tuple(-(-overlap // cell) * cell for overlap, cell in pairs)

    def _axes(self) -> Iterator[list[Stretch]]:
        """Yield the shots along each axis; of most axes the whole is one."""
        overlaps = self.overlap if self.edges == "zeros" else self.rim
        settings = zip(self.rim, self.tile, overlaps, self.multiple_of, strict=True)
        for number, (size, setting) in enumerate(zip(self.shape, settings, strict=True)):
            cuts = self.cuts if number == self.leading else ()
            yield [Stretch(scene, *setting) for scene in shots(size, cuts)]


def _risen(distance: NDArray[np.float64], half: int) -> NDArray[np.float32]:
    """Return a ramp from 0 at a distance of minus `half` to 1 at `half`."""
    ramp: NDArray[np.float32] = np.clip((distance + half) / (2 * half), 0, 1).astype(np.float32)
    return ramp
