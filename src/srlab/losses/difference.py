"""The discrete derivative of an image along an axis."""

from __future__ import annotations

from torch import Tensor

from srlab.nn.masks import without_hidden


def forward_difference(image: Tensor, axis: int, valid: Tensor | None) -> Tensor:
    """Subtract each pixel of ``(B, C, *S)`` from the next one along `axis`; the shape is kept.

    The difference is zero at the last pixel, and where one of the two pixels is hidden by `valid`.
    """
    last = image.narrow(axis, -1, 1)
    difference = image.diff(dim=axis, append=last)
    if valid is None:
        return difference
    # The roll pairs the last pixel with the first, which is harmless: the difference there is zero.
    both_valid = valid & valid.roll(-1, axis)
    return without_hidden(difference, both_valid)
