"""The difference of derivatives: edges, blind to a constant offset."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from srlab.losses.context import Context
from srlab.losses.difference import forward_difference
from srlab.losses.norms import Norm, norm_of


class Gradient(nn.Module):
    """Difference between the spatial derivatives of SR and HR (Mathieu et al. 2016, §3.3, with signs kept).

    Derivatives are differences of neighbours along each axis, in the network's range per pixel. The map ``(B, C, *S)``
    is the mean over the axes of ``|d sr - d hr|`` for the norm "l1", squared for "l2"; the last pixel along an axis
    has no derivative there and counts as zero. With its sign a derivative also tells a bright edge from a dark one,
    which the paper's absolute values cannot. A pair of neighbours of which one is hidden counts as zero.
    """

    def __init__(self, *, norm: Norm = "l1") -> None:
        super().__init__()
        self.norm = norm_of(norm, term="gradient")

    def forward(self, sr: Tensor, hr: Tensor, context: Context) -> Tensor:
        """Return the map ``mean over axes of |d(sr - hr)|`` or its square, ``(B, C, *S)``."""
        axes = range(2, sr.ndim)
        return torch.stack(
            [self.norm(forward_difference(sr - hr, axis, context.valid)) for axis in axes]
        ).mean(dim=0)
