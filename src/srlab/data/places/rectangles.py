"""Set operations on rectangles of pixels, along any number of axes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise, product

import numpy as np
from numpy.typing import NDArray

from srlab.axes import Window


def disjoint(windows: Sequence[Window], *, without: Sequence[Window] = ()) -> list[Window]:
    """Return disjoint rectangles of the pixels that are in `windows` and in none of `without`."""
    axes = list(zip(*windows, *without, strict=True))
    edges = [_edges(axis) for axis in axes]
    inside = np.zeros([len(axis) - 1 for axis in edges], bool)
    for window in windows:
        inside[_cells(window, edges)] = True
    for window in without:
        inside[_cells(window, edges)] = False
    return list(_runs(inside, edges))


def _edges(spans: Sequence[slice]) -> NDArray[np.int64]:
    """Return the places where spans of one axis begin or end, sorted and without repetition."""
    return np.unique([[span.start, span.stop] for span in spans])


def _cells(window: Window, edges: Sequence[NDArray[np.int64]]) -> Window:
    """Return the cells between `edges` that a window fills."""
    bounds = [
        np.searchsorted(axis, [span.start, span.stop])
        for span, axis in zip(window, edges, strict=True)
    ]
    return tuple(slice(*map(int, bound)) for bound in bounds)


def _runs(inside: NDArray[np.bool_], edges: Sequence[NDArray[np.int64]]) -> Iterator[Window]:
    """Yield rectangles that cover the true cells; equal neighbours on the first axis are merged."""
    if not edges:
        if inside:
            yield ()
        return
    rows = inside.reshape(len(inside), -1)
    changes = np.flatnonzero((rows[1:] != rows[:-1]).any(axis=1)) + 1
    ends = [0, *changes.tolist(), len(inside)]
    for first, last in pairwise(ends):
        own = slice(int(edges[0][first]), int(edges[0][last]))
        for rest in _runs(inside[first], edges[1:]):
            yield (own, *rest)


def grown(window: Window, before: Sequence[int], after: Sequence[int]) -> Window:
    """Return a window enlarged by some pixels before and after it, along each axis."""
    sides = zip(window, before, after, strict=True)
    return tuple(slice(span.start - low, span.stop + high) for span, low, high in sides)


def hull(windows: Sequence[Window]) -> Window:
    """Return the smallest window that holds all of `windows`."""
    spans = []
    for axis in zip(*windows, strict=True):
        edges = _edges(axis)
        spans.append(slice(int(edges[0]), int(edges[-1])))
    return tuple(spans)


def corners(windows: Sequence[Window], shape: Sequence[int]) -> list[Window]:
    """Return the places where a rectangle of `shape` may begin so that it lies within `windows`.

    It must lie in their union, so it may reach over several windows that touch. The results are
    disjoint.
    """
    whole = hull(windows)
    nothing = [0] * len(shape)
    places = grown(whole, nothing, [1 - side for side in shape])
    if any(span.stop <= span.start for span in places):
        return []
    # A rectangle meets a hole if it begins in it, or less than its own side before it.
    reach = [side - 1 for side in shape]
    holes = disjoint([whole], without=windows)
    enlarged_holes = [grown(hole, reach, nothing) for hole in holes]
    return disjoint([places], without=enlarged_holes)


def cut(extent: Window, size: Sequence[int]) -> list[Window]:
    """Divide a window evenly into blocks of at most `size` pixels a side, row by row."""
    axes = []
    for span, side in zip(extent, size, strict=True):
        length = span.stop - span.start
        count = -(-length // side)
        edges = [span.start + round(place * length / count) for place in range(count + 1)]
        spans = [slice(*ends) for ends in pairwise(edges)]
        axes.append(spans)
    return list(product(*axes))
