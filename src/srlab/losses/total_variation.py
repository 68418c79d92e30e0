"""The roughness of SR by itself."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from srlab.losses.context import Context
from srlab.losses.difference import forward_difference
from srlab.mistakes import Mistake


class TotalVariation(nn.Module):
    """Length of the gradient of SR, each channel by itself (Rudin et al. 1992, eq. 2.2a).

    This is the isotropic form over all spatial axes, in the network's range per pixel. It takes
    differences to the next pixel. A difference is zero at the last pixel of an axis, and between
    neighbours of which one is hidden. HR takes no part.

    The map is ``sqrt(|∇sr|² + eps²) - eps``. The original has no derivative at zero; `eps`, in the
    same unit, rounds it off there.
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
            # It starts at eps, so that no hypot is ever zero and every derivative exists.
            length = torch.hypot(length, forward_difference(sr, axis, context.valid))
        return length - eps
