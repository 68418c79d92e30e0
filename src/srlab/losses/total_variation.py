"""The roughness of SR by itself."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from srlab.losses.context import Context
from srlab.losses.difference import forward_difference
from srlab.mistakes import Mistake


class TotalVariation(nn.Module):
    """Length of the gradient of SR, each channel by itself (Rudin et al. 1992, eq. 2.2a).

    The isotropic form over every spatial axis, with forward differences, in the network's range per pixel; the last
    pixel along an axis has no difference there. `eps`, in the same unit, rounds the length off at zero, where the
    original has no derivative: ``sqrt(|∇sr|² + eps²) - eps``. HR takes no part. A difference between neighbours of
    which one is hidden counts as zero.
    """

    def __init__(self, *, eps: float = 1e-3) -> None:
        super().__init__()
        if eps <= 0:
            raise Mistake(f"loss.total_variation.term.eps is {eps}; it must be above 0.")
        self.eps = eps

    def forward(self, sr: Tensor, hr: Tensor, context: Context) -> Tensor:
        """Return the map, ``(B, C, *S)``."""
        eps = sr.new_full((), self.eps)
        length = eps
        for axis in range(2, sr.ndim):
            # begun at eps, so that no hypot is ever zero and every derivative exists
            length = torch.hypot(length, forward_difference(sr, axis, context.valid))
        return length - eps
