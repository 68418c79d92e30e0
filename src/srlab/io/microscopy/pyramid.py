"""Coarser levels of a stack: means of 2 x 2 pixels of a plane, again and again."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

SMALLEST = 256
"""Pixels: a plane that is no longer than this on either side has no coarser level."""


def level_sizes(height: int, width: int) -> list[tuple[int, int]]:
    """Return the sizes of a plane's levels, the finest first; halves are rounded up."""
    sizes = [(height, width)]
    while max(sizes[-1]) > SMALLEST:
        above_height, above_width = sizes[-1]
        sizes.append(((above_height + 1) // 2, (above_width + 1) // 2))
    return sizes


def halved(plane: NDArray[Any]) -> NDArray[Any]:
    """Return the means of 2 x 2 pixels ``(..., H, W)`` in the same type; odd edges repeat."""
    height, width = plane.shape[-2:]
    edges = [(0, 0)] * (plane.ndim - 2) + [(0, height % 2), (0, width % 2)]
    even = np.pad(plane, edges, mode="edge").astype(np.float64)
    rows = even[..., ::2, :] + even[..., 1::2, :]
    means = (rows[..., ::2] + rows[..., 1::2]) / 4
    if plane.dtype.kind == "f":
        return means.astype(plane.dtype)
    return np.rint(means).astype(plane.dtype)
