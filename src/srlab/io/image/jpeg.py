"""The parts of a JPEG that are encoded independently."""

from __future__ import annotations

from collections.abc import Sequence

from srlab.axes import Window
from srlab.io.lossy import Lossy

UNIT = 16
"""Pixels a side of what is encoded together, where colours have half the rows and columns."""


def _itself(window: Window, shape: Sequence[int]) -> Window:
    return window


def _units_around(window: Window, shape: Sequence[int]) -> Window:
    """Return whole units, and one more on each side: colours are interpolated across borders."""
    pairs = zip(window, shape, strict=True)
    return tuple(
        slice(
            max(span.start // UNIT - 1, 0) * UNIT,
            min((-(-span.stop // UNIT) + 1) * UNIT, size),
        )
        for span, size in pairs
    )


JPEG = Lossy("blocks", "rasterio", compared=_itself, encoded=_units_around)
