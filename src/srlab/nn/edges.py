"""The continuation of an image beyond its borders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from srlab.mistakes import Mistake

Edges = Literal["replicate", "reflect", "zeros"]
"""The values that a network sees beyond the borders of an image.

- ``replicate``: the border pixels are repeated, as in degradations and interpolation.
- ``reflect``: the image is mirrored at its border pixels.
- ``zeros``: the image is not continued. The network's layers pad with zeros themselves.
"""


def check_edges(edges: Edges) -> Edges:
    """Return `edges` if it is one of `Edges`, and raise a `Mistake` otherwise."""
    if edges not in get_args(Edges):
        raise Mistake(f"edges is {edges!r}; it must be one of {', '.join(get_args(Edges))}.")
    return edges


def sources(span: slice, size: int, edges: Edges) -> NDArray[np.intp]:
    """Return the index of the pixel that supplies the value at each position of `span`.

    The axis has `size` pixels. The span may extend beyond both ends of the axis, by any length.
    """
    positions = np.arange(span.start, span.stop)
    if edges == "reflect":
        period = max(2 * (size - 1), 1)
        positions = np.abs(positions) % period
        positions = np.minimum(positions, period - positions)
    return positions.clip(0, size - 1)


def continued(image: Tensor, margin: Sequence[int], edges: Edges) -> Tensor:
    """Continue an image ``(B, C, *S)`` beyond its borders.

    `margin` is the number of pixels to add at both ends of each spatial axis.
    """
    for axis, pixels in enumerate(margin, start=2):
        if pixels == 0:
            continue
        size = image.shape[axis]
        continued_span = slice(-pixels, size + pixels)
        indices = torch.from_numpy(sources(continued_span, size, edges))
        image = image.index_select(axis, indices.to(image.device))
    return image
