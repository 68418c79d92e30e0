"""Blocks: rectangles of output that are computed, written and journalled as a unit."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from itertools import groupby, pairwise, product
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from srlab.axes import Window, common, relative, window_shape
from srlab.io import Reader
from srlab.nn.shrinking import Spare
from srlab.prediction.grid.tiles import Tile, TileGrid
from srlab.prediction.reading import see

Pixels = NDArray[np.float32]

Network = Callable[[Pixels, Spare], Pixels]
"""LR ``(N, C, *S)`` to SR ``(N, C', *S·scale)``, in physical units; all of LR is finite.

The SR of the `Spare` LR pixels around each tile is not used, and may hold any finite values.
"""

Predict = Callable[[Pixels, Sequence[Window], Spare], Pixels]
"""A `Network` that is also told which part of each LR tile lies in the scene."""

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


class TileMemory:
    """Keeps the SR of the `most` latest tiles, since several blocks need each blended tile.

    Several threads may share it. One of them computes a tile, and the others wait for its SR.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[str, Future[Pixels]] = OrderedDict()
        self._lock = Lock()

    def wanted(self, tile: Tile) -> tuple[Future[Pixels], bool]:
        """Return the SR of a tile as a future, and whether the caller must compute it.

        Beyond `most` tiles, the one that was wanted longest ago is forgotten.
        """
        key = str(tile.core)
        with self._lock:
            known = self._kept.pop(key, None)
            sr = known or Future()
            self._kept[key] = sr
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return sr, known is None


def computed(
    predict: Predict,
    seen: Sequence[Seen],
    tiles: TileGrid,
    window: Window,
    *,
    batch_size: int = 1,
    memory: TileMemory | None = None,
) -> Pixels:
    """Compute an SR `window` ``(C', *window)`` as `block` does, from what its tiles see.

    Tiles that are in the `memory` are not computed again.
    """
    result: Pixels | None = None
    memory = memory or TileMemory(0)
    for tile, missing, sr in _predicted(predict, seen, batch_size, memory):
        owned = common(tiles.contributes(tile), window)
        source = (slice(None), *tile.source(owned, tiles.scale))
        pixels: Pixels = sr[source]
        if missing is not None:
            hidden = _repeated(missing, tiles.scale)[source]
            pixels = np.where(hidden, np.float32(np.nan), pixels)
        if owned == window and len(seen) == 1:
            return pixels  # a single tile contributes, so no copy is needed
        if result is None:
            result = np.zeros((len(sr), *window_shape(window)), np.float32)
        place = (slice(None), *relative(owned, window))
        if tiles.join == "blend":
            result[place] += tiles.weights(tile, owned) * pixels
        else:
            result[place] = pixels
    assert result is not None, "a window that no tile touches"
    return result


def _predicted(
    predict: Predict,
    seen: Sequence[Seen],
    batch_size: int,
    memory: TileMemory,
) -> Iterator[tuple[Tile, NDArray[np.bool_] | None, Pixels]]:
    """Yield each tile, its missing pixels and its SR.

    The order is that of `seen`, since sums of blended tiles are rounded by their order.
    """
    for first in range(0, len(seen), batch_size):
        group = seen[first : first + batch_size]
        wanted = [memory.wanted(tile) for tile, _, _ in group]
        pairs = zip(group, wanted, strict=True)
        new = [(each, sr) for each, (sr, is_new) in pairs if is_new]
        # All promised tiles come before the first wait, so threads never wait for each other.
        _fulfil([sr for _, sr in new], _computed_anew(predict, [each for each, _ in new]))
        for (tile, _, missing), (sr, _) in zip(group, wanted, strict=True):
            yield tile, missing, sr.result()


def _fulfil(promised: Sequence[Future[Pixels]], results: Iterator[Pixels]) -> None:
    """Set the result of each promised future, or the error that prevents it."""
    try:
        for future, sr in zip(promised, results, strict=True):
            future.set_result(sr)
    except BaseException as error:
        for future in promised:
            if not future.done():
                future.set_exception(error)
        raise


def _computed_anew(predict: Predict, seen: Sequence[Seen]) -> Iterator[Pixels]:
    """Yield the SR of tiles; neighbours of one shape and one spare go through together."""
    for (_, spare), alike in groupby(seen, lambda each: (each[1].shape, each[0].spare)):
        group = list(alike)
        images = np.stack([lr for _, lr, _ in group])
        yield from predict(images, [tile.inside for tile, _, _ in group], spare)


PANEL = {2: 8, 3: 4}
"""Blocks across a panel of blended ones, for each number of spatial axes.

All blocks of a panel are done before the next one, so that few tiles need be remembered.
"""


def memory_of(tiles: TileGrid, *, at_a_time: int = 1) -> TileMemory:
    """Return a memory that holds as many tiles as `block_windows` comes back to.

    These are two layers of tiles across a panel, since each block touches both. Where several
    blocks are computed `at_a_time`, each further one may touch two more tiles along each axis.
    """
    if tiles.join == "crop":
        return TileMemory(0)
    dims = len(tiles.shape) - tiles.leading
    across = PANEL[dims] + 1
    ahead = (at_a_time - 1) * 2**dims
    return TileMemory(2 * across ** (dims - 1) + (dims - 2) * across + 2 + ahead)


class Anywhere:
    """A prediction that does not depend on where a tile lies in the scene."""

    def __init__(self, network: Network) -> None:
        self._network = network

    def __call__(self, lr: Pixels, inside: Sequence[Window], spare: Spare) -> Pixels:
        """Return SR ``(N, C', *S·scale)`` of LR ``(N, C, *S)``."""
        return self._network(lr, spare)


def block_windows(
    tiles: TileGrid, *, chunks: Sequence[int], tiles_per_block: int = 1
) -> Iterator[Window]:
    """Divide the SR scene into blocks, the last axis fastest.

    A block has `tiles_per_block` tiles along the last axis and one along each other. It ends where
    the next tile begins to contribute, rounded up to the writer's `chunks`. With chunks of one
    pixel, no cropped tile lies in two blocks. Blocks of blended tiles come panel by panel, see
    `PANEL`.
    """
    spans = []
    last = len(tiles.shape) - 1
    for number, axis in enumerate(tiles.axes):
        step = tiles_per_block if number == last else 1
        ends = [span.faded.start * tiles.scale[number] for span in axis[step::step]]
        spans.append(_between(ends, chunk=chunks[number], size=tiles.target_shape[number]))
    if tiles.join == "crop":
        yield from product(*spans)
        return
    first, *others = spans
    side = PANEL[len(spans) - tiles.leading]
    for panel in product(*(_groups(axis, side) for axis in others)):
        yield from product(first, *panel)


def _groups(spans: Sequence[slice], length: int) -> list[Sequence[slice]]:
    return [spans[start : start + length] for start in range(0, len(spans), length)]


def _between(ends: Sequence[int], *, chunk: int, size: int) -> list[slice]:
    rounded = {min(-(-end // chunk) * chunk, size) for end in ends}
    cuts = [0, *sorted(rounded | {size})]
    return [slice(start, stop) for start, stop in pairwise(cuts)]


def _repeated(mask: NDArray[np.bool_], scale: Sequence[int]) -> NDArray[np.bool_]:
    """Repeat each LR pixel of ``(1, *S)`` over the SR pixels in its place."""
    for axis, factor in enumerate(scale, start=1):
        mask = mask.repeat(factor, axis=axis)
    return mask
