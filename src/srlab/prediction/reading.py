"""The LR pixels that a tile sees: finite everywhere, and continued beyond the borders."""

from __future__ import annotations

from math import ceil, hypot

import numpy as np
from numpy.typing import NDArray

from srlab.axes import Window, relative
from srlab.io import Reader
from srlab.nn.edges import Edges, sources
from srlab.nn.holes import filled
from srlab.prediction.grid.tiles import Tile, TileGrid

Pixels = NDArray[np.float32]


def see(reader: Reader, tile: Tile, tiles: TileGrid) -> tuple[Pixels, NDArray[np.bool_] | None]:
    """Return LR ``(C, *tile.read)``, and where it is missing ``(1, *tile.read)``, or None.

    Missing values are filled from the nearest pixels of the scene, and only then is it continued
    beyond its borders. Around a valid pixel, up to the overlap, all tiles see the same values. The
    fill of a hole there comes from no further away than that valid pixel, and is read, too.
    """
    spans = zip(tile.read, tile.scene, strict=True)
    places = [_sources(span, scene, tiles.edges) for span, scene in spans]
    inside = tuple(slice(int(each.min()), int(each.max()) + 1) for each in places)
    values = reader.read(inside)
    missing = np.logical_or.reduce(~np.isfinite(values), axis=0, keepdims=True)
    some_missing = bool(missing.any())
    if some_missing:
        around = _around(inside, tile, tiles)
        values = filled(reader.read(around))
        values = values[(slice(None), *relative(inside, around))]
    for axis, (each, span) in enumerate(zip(places, inside, strict=True), start=1):
        if len(each) > span.stop - span.start:
            values = values.take(each - span.start, axis=axis)
            missing = missing.take(each - span.start, axis=axis)
    return values, missing if some_missing else None


def _sources(span: slice, scene: slice, edges: Edges) -> NDArray[np.intp]:
    """Return the pixel of the scene that stands at each place of a span."""
    (within,) = relative((span,), (scene,))
    places = sources(within, scene.stop - scene.start, edges)
    places += scene.start
    return places


def _around(window: Window, tile: Tile, tiles: TileGrid) -> Window:
    """Widen a window of a tile by the longest distance from which a hole is filled."""
    reach = ceil(hypot(*tiles.overlap))
    widened = []
    for axis, (span, scene) in enumerate(zip(window, tile.scene, strict=True)):
        if axis >= tiles.leading:
            start, stop = span.start - reach, span.stop + reach
            span = slice(max(start, scene.start), min(stop, scene.stop))
        widened.append(span)
    return tuple(widened)
