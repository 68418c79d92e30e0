"""Missing pixels, and what stands in for them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

Mask = NDArray[np.bool_]


def filled(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Replace each value of ``(C, *S)`` that is not finite by that of the nearest valid pixel.

    Channels are filled independently. Distances are Euclidean, in pixels. A value at a distance d
    from the nearest valid pixel therefore depends only on pixels at a distance of at most d. A
    channel without any finite value becomes zero.
    """
    missing = ~np.isfinite(image)
    if not missing.any():
        return image
    result = np.where(missing, np.float32(0), image)
    known: Mask | None = None
    for channel, own in zip(result, missing, strict=True):
        if own.all() or not own.any():
            continue
        if known is None or not np.array_equal(known, own):
            known, nearest = own, _nearest(own)
        channel[own] = channel[nearest]
    return result


def _nearest(missing: Mask) -> tuple[NDArray[np.int32], ...]:
    """Return the indices of the nearest valid pixel for each missing pixel."""
    places = distance_transform_edt(missing, return_distances=False, return_indices=True)
    return tuple(places[:, missing])


def throughout(mask: Mask, scale: Sequence[int]) -> Mask:
    """Return ``(C, *S)``: whether `mask` ``(C, *S·scale)`` is true throughout each block."""
    for axis, factor in enumerate(scale, start=1):
        shape = [*mask.shape[:axis], -1, factor, *mask.shape[axis + 1 :]]
        mask = np.logical_and.reduce(mask.reshape(shape), axis=axis + 1)
    return mask
