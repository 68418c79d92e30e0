"""Checks of the windows that are asked of files."""

from __future__ import annotations

from srlab.io.protocols import Window
from srlab.mistakes import Mistake


def check_window(window: Window, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Return `window` as rows and columns if it lies inside an image of `shape`, else raise a ``ValueError``."""
    inside = len(window) == len(shape) and all(
        part.step in (None, 1)
        and part.start is not None
        and part.stop is not None
        and 0 <= part.start < part.stop <= size
        for part, size in zip(window, shape, strict=False)
    )
    if not inside:
        raise Mistake(
            f"the window {window} does not lie inside an image of {' x '.join(map(str, shape))} pixels: give one "
            "slice(start, stop) per axis with 0 <= start < stop <= size."
        )
    return window[0], window[1]
