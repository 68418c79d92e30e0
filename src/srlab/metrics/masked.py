"""Means over the pixels that hold data."""

from __future__ import annotations

import torch
from torch import Tensor


def band_means(values: Tensor, valid: Tensor | None) -> Tensor:
    """Average ``(B, C, *S)`` over the pixels where `valid` ``(B, 1, *S)`` is true: ``(B, C)``, NaN where none is.

    A NaN among the others stays a NaN: a broken image gets no score.
    """
    if valid is None:
        return values.flatten(2).mean(dim=2)
    shown = torch.where(valid, values, 0.0).flatten(2).sum(dim=2)
    return shown / valid.flatten(2).sum(dim=2)
