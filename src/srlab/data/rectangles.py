"""Unions of rectangles, along any number of axes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise, product

import numpy as np
from numpy.typing import NDArray

from srlab.axes import Window


def disjoint(windows: Sequence[Window], *, without: Sequence[Window] = ()) -> list[Window]:
    """Return rectangles that hold each pixel of `windows` once, and none of those `without`."""
    axes = list(zip(*windows, *without, strict=True))
    edges = [_edges(axis) for axis in axes]
    inside = np.zeros([len(axis) - 1 for axis in edges], bool)
    for window in windows:
        inside[_cells(window, edges)] = True
    for window in without:
        inside[_cells(window, edges)] = False
    return list(_runs(inside, edges))


def _edges(spans: Sequence[slice]) -> NDArray[np.int64]:
    """Return where spans of one axis begin and end, in order and once each."""
    return np.unique([[span.start, span.stop] for span in spans])


def _cells(window: Window, edges: Sequence[NDArray[np.int64]]) -> Window:
    """Return the cells between `edges` that a window fills."""
    bounds = [
        np.searchsorted(axis, [span.start, span.stop])
        for span, axis in zip(window, edges, strict=True)
    ]
    return tuple(slice(*map(int, bound)) for bound in bounds)


def _runs(inside: NDArray[np.bool_], edges: Sequence[NDArray[np.int64]]) -> Iterator[Window]:
    """Yield rectangles of true cells; equal neighbours along the first axis become one."""
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
    """Return a window with further pixels before and after it along each axis."""
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
    """Return where a rectangle of `shape` may begin so that `windows`, together, hold all of it.

    It may reach over several windows that touch. The results are disjoint.
    """
    whole = hull(windows)
    less = [1 - side for side in shape]
    places = grown(whole, [0] * len(shape), less)
    if any(span.stop <= span.start for span in places):
        return []
    # A rectangle meets a hole if it begins in it, or less than its own side before it.
    holes = disjoint([whole], without=windows)
    grown_holes = [grown(hole, [-side for side in less], [0] * len(shape)) for hole in holes]
    return disjoint([places], without=grown_holes)


def cut(extent: Window, size: Sequence[int]) -> list[Window]:
    """Divide a window evenly into blocks of at most `size` pixels a side, in the order of rows."""
    axes = []
    for span, side in zip(extent, size, strict=True):
        length = span.stop - span.start
        count = -(-length // side)
        edges = [span.start + round(place * length / count) for place in range(count + 1)]
        spans = [slice(*ends) for ends in pairwise(edges)]
        axes.append(spans)
    return list(product(*axes))
