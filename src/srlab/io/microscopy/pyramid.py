"""The coarser levels of a stack's pyramid; each is the mean of 2 x 2 pixels of the level before."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

SMALLEST = 256
"""The side in pixels of a plane that is small enough to have no coarser level."""


def level_sizes(height: int, width: int) -> list[tuple[int, int]]:
    """Return the rows and columns of each level, the finest first; halves are rounded up."""
    sizes = [(height, width)]
    while max(sizes[-1]) > SMALLEST:
        above_height, above_width = sizes[-1]
        sizes.append(((above_height + 1) // 2, (above_width + 1) // 2))
    return sizes


def halved(plane: NDArray[Any]) -> NDArray[Any]:
    """Return the means of 2 x 2 pixels of ``(..., H, W)``, in the same type.

    An odd number of rows or columns is made even by repeating the last one.
    """
    height, width = plane.shape[-2:]
    edges = [(0, 0)] * (plane.ndim - 2) + [(0, height % 2), (0, width % 2)]
    even = np.pad(plane, edges, mode="edge").astype(np.float64)
    rows = even[..., ::2, :] + even[..., 1::2, :]
    means = (rows[..., ::2] + rows[..., 1::2]) / 4
    if plane.dtype.kind == "f":
        return means.astype(plane.dtype)
    return np.rint(means).astype(plane.dtype)
