"""The distance between the distributions of values, which ignores the places of the pixels."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from srlab.losses.context import Context
from srlab.nn.masks import without_hidden


class Histogram(nn.Module):
    """Wasserstein-1 distance between the values of SR and HR, for each image and channel.

    For single numbers, the optimal transport matches values of equal rank (Peyré & Cuturi 2019,
    §2.6). So the distance is the mean of ``|sort(sr) - sort(hr)|``, in the network's range. It is
    zero if SR holds the pixels of HR in another order. If SR is HR plus a constant, the distance is
    the size of the constant.

    The map ``(B, C, *S)`` holds the distance of each SR pixel from the HR value of the same rank.
    Hidden pixels rank last in both images, so visible pixels are matched with visible ones.
    """

    def forward(self, sr: Tensor, hr: Tensor, context: Context) -> Tensor:
        """Return the map of distances, ``(B, C, *S)``, zero at hidden pixels."""
        sr_order = _hidden_last(sr, context.valid).argsort(dim=2, stable=True)
        hr_sorted = _hidden_last(hr, context.valid).sort(dim=2).values
        matched = torch.zeros_like(hr_sorted).scatter(2, sr_order, hr_sorted)
        return without_hidden(sr - matched.view_as(hr), context.valid).abs()


def _hidden_last(image: Tensor, valid: Tensor | None) -> Tensor:
    """Return ``(B, C, pixels)``, with infinity at hidden pixels, which sorts them last."""
    if valid is not None:
        image = torch.where(valid, image, torch.inf)
    return image.flatten(2)
