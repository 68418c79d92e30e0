"""The parts of a JPEG that are encoded independently, for comparisons of outputs."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

from srlab.axes import Window
from srlab.io.lossy import Lossy

UNIT = 16
"""The side in pixels of the blocks that are encoded together, if chroma is halved."""


def _itself(window: Window, shape: Sequence[int]) -> Window:
    return window


def _units_around(window: Window, shape: Sequence[int]) -> Window:
    """Return the window of whole units around a window, and one more unit on each side.

    The further units are needed since chroma is interpolated across the borders of units.
    """
    spans = []
    for span, size in zip(window, shape, strict=True):
        first_unit = max(span.start // UNIT - 1, 0)
        end_unit = ceil(span.stop / UNIT) + 1
        spans.append(slice(first_unit * UNIT, min(end_unit * UNIT, size)))
    return tuple(spans)


JPEG = Lossy("blocks", "rasterio", compared=_itself, encoded=_units_around)
