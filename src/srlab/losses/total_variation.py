"""The total variation of SR, which is large for noise and small for smooth images."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from srlab.losses.context import Context
from srlab.losses.difference import forward_difference
from srlab.mistakes import Mistake


class TotalVariation(nn.Module):
    """Length of the spatial gradient of SR, for each channel (Rudin et al. 1992, eq. 2.2a).

    The map ``(B, C, *S)`` is ``sqrt(|∇sr|² + eps²) - eps``, in the network's range per pixel. The
    gradient ∇ holds the differences to the next pixel along all spatial axes. HR is not used.

    The length alone has no derivative at zero. `eps` makes it smooth there. It has the same unit.

    A difference is zero at the last pixel of an axis, and where one of the two pixels is hidden.

    Raises a `Mistake` unless `eps` is above 0.
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
            difference = forward_difference(sr, axis, context.valid)
            # The length starts at eps, so it is never zero and every derivative exists.
            length = torch.hypot(length, difference)
        return length - eps
