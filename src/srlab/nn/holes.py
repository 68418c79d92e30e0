"""Missing pixels, which are NaN or infinite, and the values that replace them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

Mask = NDArray[np.bool_]


def filled(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Replace each value of ``(C, *S)`` that is not finite by the nearest finite one.

    Channels are filled independently. A channel without finite values becomes zero. Distances are
    Euclidean, in pixels. A value whose nearest finite pixel is at a distance d thus depends on no
    pixel that is further away than d.
    """
    missing = ~np.isfinite(image)
    if not missing.any():
        return image

    result = np.where(missing, np.float32(0), image)
    previous: Mask | None = None
    for channel, own in zip(result, missing, strict=True):
        if own.all() or not own.any():
            continue
        # Channels often miss the same pixels. The costly search is then done once.
        if previous is None or not np.array_equal(previous, own):
            previous, nearest = own, _nearest(own)
        channel[own] = channel[nearest]
    return result


def _nearest(missing: Mask) -> tuple[NDArray[np.int32], ...]:
    """Return the indices of the nearest valid pixel for each missing pixel."""
    indices = distance_transform_edt(missing, return_distances=False, return_indices=True)
    return tuple(indices[:, missing])


def throughout(mask: Mask, scale: Sequence[int]) -> Mask:
    """Shrink a mask ``(C, *S·scale)`` to ``(C, *S)``: true where all pixels of a block are true."""
    for axis, factor in enumerate(scale, start=1):
        in_blocks = mask.reshape([*mask.shape[:axis], -1, factor, *mask.shape[axis + 1 :]])
        mask = np.logical_and.reduce(in_blocks, axis=axis + 1)
    return mask
