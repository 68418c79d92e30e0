"""Images under a mask of valid pixels, and images repeated on a finer grid."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def without_hidden(image: Tensor, valid: Tensor | None) -> Tensor:
    """Set the pixels of ``(B, C, *S)`` to zero where `valid` ``(B, 1, *S)`` is false.

    If `valid` is None, the image is returned as it is. No arithmetic is done with hidden pixels,
    which may be NaN.
    """
    if valid is None:
        return image
    return torch.where(valid, image, 0.0)


def repeated(image: Tensor, scale: Sequence[int]) -> Tensor:
    """Repeat each pixel of ``(B, C, *S)`` in a block of size `scale`: ``(B, C, *S·scale)``."""
    for axis, factor in enumerate(scale, start=2):
        if factor > 1:
            image = image.repeat_interleave(factor, dim=axis)
    return image
