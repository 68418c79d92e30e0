"""Checks of windows, and the windows of a file's chunks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

from numpy.typing import NDArray

from srlab.axes import Window, window_shape
from srlab.mistakes import Mistake


def check_window(window: Window, shape: tuple[int, ...]) -> None:
    """Raise a `Mistake` unless `window` lies inside an image of `shape`."""
    inside = map(_is_inside, window, shape)
    if len(window) != len(shape) or not all(inside):
        raise Mistake(
            f"the window {window} does not lie inside an image of {' x '.join(map(str, shape))} "
            "pixels: give one slice(start, stop) per axis with 0 <= start < stop <= size."
        )


def check_block(window: Window, array: NDArray[Any], channels: int, shape: tuple[int, ...]) -> None:
    """Raise a `Mistake` unless `array` fills `window` of an image of `shape`."""
    check_window(window, shape)
    wanted = (channels, *window_shape(window))
    if array.shape != wanted:
        raise Mistake(
            f"got an array of shape {array.shape} for the window {window}; its shape must be "
            f"{wanted}."
        )


def chunk_windows(shape: Sequence[int], chunks: Sequence[int]) -> Iterator[Window]:
    """Yield the window of each chunk of an array of `shape`; the last ones may be smaller."""
    spans = []
    for size, step in zip(shape, chunks, strict=True):
        starts = range(0, size, step)
        spans.append([slice(start, min(start + step, size)) for start in starts])
    yield from product(*spans)


def _is_inside(part: slice, size: int) -> bool:
    is_plain = part.start is not None and part.stop is not None and part.step in (None, 1)
    return is_plain and 0 <= part.start < part.stop <= size
