"""Blocks: rectangles of output that are computed, written and journalled as a unit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise, product

import numpy as np
from numpy.typing import NDArray

from srlab.axes import Window
from srlab.io import Reader
from srlab.prediction.tiles import TileGrid

Pixels = NDArray[np.float32]

Predict = Callable[[Pixels], Pixels]
"""LR ``(N, C, *S)`` to SR ``(N, C', *S·scale)``, in physical units, NaN without data."""


def block(
    predict: Predict, reader: Reader, tiles: TileGrid, window: Window, *, batch_size: int = 1
) -> Pixels:
    """Compute an SR `window` ``(C', *window)`` of a scene from every tile whose core touches it.

    The result is a part of the SR scene, whatever the window: it depends on the grid of tiles
    alone. Up to `batch_size` tiles are given to `predict` at a time.
    """
    result: Pixels | None = None
    touching = list(tiles.touching(window))
    for first in range(0, len(touching), batch_size):
        group = touching[first : first + batch_size]
        lr = np.stack([reader.read(tile.read) for tile in group])
        for tile, sr in zip(group, predict(lr), strict=True):
            owned = _common(tile.target(tiles.scale), window)
            pixels: Pixels = sr[(slice(None), *tile.source(owned, tiles.scale))]
            if owned == window:
                return pixels  # one tile has all of the block, and nothing need be copied
            if result is None:
                result = np.empty((len(sr), *_shape(window)), np.float32)
            result[(slice(None), *_relative(owned, window))] = pixels
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


def _common(first: Window, second: Window) -> Window:
    pairs = zip(first, second, strict=True)
    return tuple(slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in pairs)


def _relative(window: Window, within: Window) -> Window:
    pairs = zip(window, within, strict=True)
    return tuple(slice(a.start - b.start, a.stop - b.start) for a, b in pairs)
