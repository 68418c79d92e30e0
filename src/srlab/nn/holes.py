"""Missing pixels, and what stands in for them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

Mask = NDArray[np.bool_]


def filled(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give each value of ``(C, *S)`` that is not finite that of the nearest pixel which has one.

    Every channel is filled by itself. The nearest pixel is that of the least Euclidean distance in
    pixels. So what stands at a distance d from a valid pixel depends on pixels no further away than
    d. A channel without any finite value becomes zero.
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
    """Return the place of the nearest pixel that is there, for each that is missing."""
    places = distance_transform_edt(missing, return_distances=False, return_indices=True)
    return tuple(places[:, missing])


def throughout(mask: Mask, scale: Sequence[int]) -> Mask:
    """Return ``(C, *S)``: whether `mask` ``(C, *S·scale)`` is true throughout each block."""
    for axis, factor in enumerate(scale, start=1):
        shape = [*mask.shape[:axis], -1, factor, *mask.shape[axis + 1 :]]
        mask = np.logical_and.reduce(mask.reshape(shape), axis=axis + 1)
    return mask
