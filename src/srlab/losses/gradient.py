"""The difference of spatial derivatives, which compares edges and ignores a constant offset."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from srlab.losses.context import Context
from srlab.losses.difference import forward_difference
from srlab.losses.norms import Norm, norm_of


class Gradient(nn.Module):
    """Difference between the spatial derivatives of SR and HR (Mathieu et al. 2016, §3.3).

    A derivative is the difference of two neighbours along an axis, in the network's range per
    pixel. The map ``(B, C, *S)`` is the mean over the axes of ``|d sr - d hr|`` for the norm "l1",
    and of ``(d sr - d hr)²`` for "l2".

    The paper compares the absolute values of the derivatives. Here they keep their signs, so that a
    rising edge differs from a falling one.

    The last pixel along an axis has no next neighbour, and counts as zero. A pair of neighbours
    also counts as zero if one of them is hidden.
    """

    def __init__(self, *, norm: Norm = "l1") -> None:
        super().__init__()
        self.norm = norm_of(norm, term="gradient")

    def forward(self, sr: Tensor, hr: Tensor, context: Context) -> Tensor:
        """Return the map, ``(B, C, *S)``."""
        maps = []
        for axis in range(2, sr.ndim):
            difference = forward_difference(sr - hr, axis, context.valid)
            maps.append(self.norm(difference))
        return torch.stack(maps).mean(dim=0)
