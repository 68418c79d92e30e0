"""The distance between distributions of values, blind to their place."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from srlab.losses.context import Context
from srlab.nn.masks import without_hidden


class Histogram(nn.Module):
    """Wasserstein-1 distance between the values of SR and of HR, for each image and channel.

    On a line the optimal transport joins equal ranks (Peyré & Cuturi 2019, §2.6). So the distance
    is the mean of ``|sort(sr) - sort(hr)|``, in the network's range. It is zero if pixels are
    permuted, and a shift has the distance of its amount.

    The map ``(B, C, *S)`` holds at each SR pixel its distance from the HR value of the same rank.
    Hidden pixels rank last in both images, so only visible ones are matched with each other.
    """

    def forward(self, sr: Tensor, hr: Tensor, context: Context) -> Tensor:
        """Return the map of distances, ``(B, C, *S)``, zero at hidden pixels."""
        ranks = _hidden_last(sr, context.valid).argsort(dim=2, stable=True)
        values = _hidden_last(hr, context.valid).sort(dim=2).values
        matched = torch.zeros_like(values).scatter(2, ranks, values).view_as(hr)
        return without_hidden(sr - matched, context.valid).abs()


def _hidden_last(image: Tensor, valid: Tensor | None) -> Tensor:
    """``(B, C, pixels)`` with infinity for hidden ones."""
    if valid is not None:
        image = torch.where(valid, image, torch.inf)
    return image.flatten(2)
