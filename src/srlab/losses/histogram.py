"""The distance between distributions of values, blind to where they stand."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from srlab.losses.context import Context


class Histogram(nn.Module):
    """Wasserstein-1 distance between the values of SR and of HR, for each image and channel.

    On a line the optimal transport joins equal ranks (Peyré and Cuturi 2019, §2.6), so the distance is the mean
    of ``|sort(sr) - sort(hr)|``, in the network's range: zero if the pixels are permuted, and a shift by its amount.
    The map ``(B, C, *S)`` holds at each SR pixel the way to the HR value of its rank, and its mean is the distance.
    Hidden pixels rank last in both, so that only visible ones are matched with each other.
    """

    def forward(self, sr: Tensor, hr: Tensor, context: Context) -> Tensor:
        """Return the map of transported distances, ``(B, C, *S)``, zero at hidden pixels."""
        ranks = _hidden_last(sr, context.valid).argsort(dim=2, stable=True)
        values = _hidden_last(hr, context.valid).sort(dim=2).values
        matched = torch.zeros_like(values).scatter(2, ranks, values).view_as(hr)
        distance = sr - matched
        if context.valid is not None:
            distance = torch.where(context.valid, distance, torch.zeros_like(distance))
        return distance.abs()


def _hidden_last(image: Tensor, valid: Tensor | None) -> Tensor:
    """``(B, C, pixels)`` with infinity for hidden ones."""
    shown = image if valid is None else torch.where(valid, image, torch.full_like(image, torch.inf))
    return shown.flatten(2)
