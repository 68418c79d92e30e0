"""Means over the valid pixels of images."""

from __future__ import annotations

from torch import Tensor

from srlab.nn.masks import without_hidden


def band_means(values: Tensor, valid: Tensor | None) -> Tensor:
    """Average ``(B, C, *S)`` over the pixels where `valid` ``(B, 1, *S)`` is true: ``(B, C)``.

    The mean is NaN if no pixel is valid, or if a valid pixel is NaN. So a broken image gets no
    score.
    """
    if valid is None:
        return values.flatten(2).mean(dim=2)
    total = without_hidden(values, valid).flatten(2).sum(dim=2)
    count = valid.flatten(2).sum(dim=2)
    return total / count
