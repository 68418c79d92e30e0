"""The derivative of an image along an axis."""

from __future__ import annotations

from torch import Tensor

from srlab.nn.masks import without_hidden


def forward_difference(image: Tensor, axis: int, valid: Tensor | None) -> Tensor:
    """Next pixel minus this one along `axis`, of ``(B, C, *S)``.

    It is zero at the last pixel, and where `valid` hides one of the two.
    """
    difference = image.diff(dim=axis, append=image.narrow(axis, -1, 1))
    if valid is None:
        return difference
    # The roll pairs the last pixel with the first. That is harmless: the difference there is zero.
    return without_hidden(difference, valid & valid.roll(-1, axis))
