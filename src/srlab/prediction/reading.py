"""What a tile sees of a scene: finite everywhere, and continued beyond the borders."""

from __future__ import annotations

from math import ceil, hypot

import numpy as np
from numpy.typing import NDArray

from srlab.axes import Window, relative
from srlab.io import Reader
from srlab.nn.edges import sources
from srlab.nn.holes import filled
from srlab.prediction.tiles import Tile, TileGrid

Pixels = NDArray[np.float32]


def see(reader: Reader, tile: Tile, tiles: TileGrid) -> tuple[Pixels, NDArray[np.bool_] | None]:
    """Return LR ``(C, *tile.read)``, and where it is missing ``(1, *tile.read)``, or None.

    Missing values are filled from the nearest pixels of the scene, and only then is it continued
    beyond its borders. The surroundings of a valid pixel, up to the overlap, are the same in any
    tile. Each of them is filled from a pixel that is no further from it than the valid one.
    """
    spans = zip(tile.read, tiles.shape, strict=True)
    places = [sources(span, size, tiles.edges) for span, size in spans]
    inside = tuple(slice(int(each.min()), int(each.max()) + 1) for each in places)
    values = reader.read(inside)
    missing = np.logical_or.reduce(~np.isfinite(values), axis=0, keepdims=True)
    some_missing = bool(missing.any())
    if some_missing:
        around = _around(inside, tiles)
        values = filled(reader.read(around))
        values = values[(slice(None), *relative(inside, around))]
    for axis, (each, span) in enumerate(zip(places, inside, strict=True), start=1):
        if len(each) > span.stop - span.start:
            values = values.take(each - span.start, axis=axis)
            missing = missing.take(each - span.start, axis=axis)
    return values, missing if some_missing else None


def _around(window: Window, tiles: TileGrid) -> Window:
    """Widen a window by the distance from which the fill of a hole may come."""
    reach = ceil(hypot(*tiles.overlap))
    widened = []
    for axis, (span, size) in enumerate(zip(window, tiles.shape, strict=True)):
        if axis >= tiles.leading:
            span = slice(max(span.start - reach, 0), min(span.stop + reach, size))
        widened.append(span)
    return tuple(widened)
