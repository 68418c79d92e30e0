"""The derivative of an image along an axis."""

from __future__ import annotations

import torch
from torch import Tensor


def forward_difference(image: Tensor, axis: int, valid: Tensor | None) -> Tensor:
    """Next pixel minus this one along `axis`, zero at the last and where either is hidden by `valid`."""
    difference = image.diff(dim=axis, append=image.narrow(axis, -1, 1))
    if valid is None:
        return difference
    # the roll pairs the last pixel with the first, which is harmless: its difference is zero
    return torch.where(valid & valid.roll(-1, axis), difference, torch.zeros_like(difference))
