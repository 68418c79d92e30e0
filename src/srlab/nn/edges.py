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
"""What a network sees beyond the borders of an image.

``replicate`` repeats the border pixels, as degradations and interpolation do. ``reflect`` mirrors
the image at its border pixels. ``zeros`` adds nothing: there the network's own layers see zeros.
"""


def check_edges(edges: Edges) -> Edges:
    """Return `edges` if it is known, and raise a `Mistake` otherwise."""
    if edges not in get_args(Edges):
        raise Mistake(f"edges is {edges!r}; it must be one of {', '.join(get_args(Edges))}.")
    return edges


def sources(span: slice, size: int, edges: Edges) -> NDArray[np.intp]:
    """Return, for each position of `span`, the index of the pixel that supplies its value.

    The axis has `size` pixels. The span may extend beyond both of its ends, by any length.
    """
    places = np.arange(span.start, span.stop)
    if edges == "reflect":
        period = max(2 * (size - 1), 1)
        places = np.abs(places) % period
        places = np.minimum(places, period - places)
    return places.clip(0, size - 1)


def continued(image: Tensor, margin: Sequence[int], edges: Edges) -> Tensor:
    """Continue ``(B, C, *S)`` by a margin of pixels on both sides of each spatial axis."""
    for axis, pixels in enumerate(margin, start=2):
        size = image.shape[axis]
        if pixels:
            places = torch.from_numpy(sources(slice(-pixels, size + pixels), size, edges))
            image = image.index_select(axis, places.to(image.device))
    return image
