"""Means over the pixels that hold data."""

from __future__ import annotations

from torch import Tensor

from srlab.nn.masks import without_hidden


def band_means(values: Tensor, valid: Tensor | None) -> Tensor:
    """Average ``(B, C, *S)`` over the pixels where `valid` ``(B, 1, *S)`` is true: ``(B, C)``.

    The mean is NaN if no pixel is valid. A NaN at a valid pixel also gives NaN, so a broken image
    gets no score.
    """
    if valid is None:
        return values.flatten(2).mean(dim=2)
    return without_hidden(values, valid).flatten(2).sum(dim=2) / valid.flatten(2).sum(dim=2)
