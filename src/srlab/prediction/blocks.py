"""Blocks: rectangles of output that are computed, written and journalled as a unit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise, product

import numpy as np
from numpy.typing import NDArray

from srlab.axes import Window, common, relative
from srlab.io import Reader
from srlab.prediction.reading import see
from srlab.prediction.tiles import Tile, TileGrid

Pixels = NDArray[np.float32]

Predict = Callable[[Pixels], Pixels]
"""LR ``(N, C, *S)`` to SR ``(N, C', *S·scale)``, in physical units; all of LR is finite."""


Seen = tuple[Tile, Pixels, NDArray[np.bool_] | None]
"""A tile, its LR ``(C, *tile.read)``, and where that was missing before it was filled."""


def block(
    predict: Predict, reader: Reader, tiles: TileGrid, window: Window, *, batch_size: int = 1
) -> Pixels:
    """Compute an SR `window` ``(C', *window)`` of a scene from every tile whose core touches it.

    The result is a part of the SR scene, whatever the window: it depends on the grid of tiles
    alone. Up to `batch_size` tiles are given to `predict` at a time. In the place of an LR pixel
    without a finite value in every channel it is NaN.
    """
    return computed(predict, seen(reader, tiles, window), tiles, window, batch_size=batch_size)


def seen(reader: Reader, tiles: TileGrid, window: Window) -> list[Seen]:
    """Read what the tiles of an SR `window` see of a scene."""
    return [(tile, *see(reader, tile, tiles)) for tile in tiles.touching(window)]


def computed(
    predict: Predict, seen: Sequence[Seen], tiles: TileGrid, window: Window, *, batch_size: int = 1
) -> Pixels:
    """Compute an SR `window` ``(C', *window)`` from what its tiles see; see `block`."""
    result: Pixels | None = None
    for first in range(0, len(seen), batch_size):
        group = seen[first : first + batch_size]
        lr = np.stack([values for _, values, _ in group])
        for (tile, _, missing), sr in zip(group, predict(lr), strict=True):
            owned = common(tile.target(tiles.scale), window)
            source = (slice(None), *tile.source(owned, tiles.scale))
            pixels: Pixels = sr[source]
            if missing is not None:
                hidden = _enlarged(missing, tiles.scale)[source]
                pixels = np.where(hidden, np.float32(np.nan), pixels)
            if owned == window:
                return pixels  # one tile has all of the block, and nothing need be copied
            if result is None:
                result = np.empty((len(sr), *_shape(window)), np.float32)
            result[(slice(None), *relative(owned, window))] = pixels
    assert result is not None, "a window that no tile touches"
    return result


def block_windows(
    tiles: TileGrid, *, chunks: Sequence[int], tiles_per_block: int = 1
) -> Iterator[Window]:
    """Divide the SR scene into blocks, in scan order, the last axis fastest.

    A block has `tiles_per_block` tiles along the last axis and one along each other. It ends where
    a core ends, rounded up to the writer's `chunks`. With chunks of one pixel no tile is in two
    blocks.
    """
    spans = []
    last = len(tiles.shape) - 1
    for number, axis in enumerate(tiles.axes()):
        step = tiles_per_block if number == last else 1
        ends = [core.stop * tiles.scale[number] for core, _ in axis][step - 1 :: step]
        spans.append(_between(ends, chunk=chunks[number], size=tiles.target_shape[number]))
    yield from product(*spans)


def _between(ends: Sequence[int], *, chunk: int, size: int) -> list[slice]:
    rounded = {min(-(-end // chunk) * chunk, size) for end in ends}
    cuts = [0, *sorted(rounded | {size})]
    return [slice(start, stop) for start, stop in pairwise(cuts)]


def _shape(window: Window) -> tuple[int, ...]:
    return tuple(span.stop - span.start for span in window)


def _enlarged(mask: NDArray[np.bool_], scale: Sequence[int]) -> NDArray[np.bool_]:
    for axis, factor in enumerate(scale, start=1):
        mask = mask.repeat(factor, axis=axis)
    return mask
