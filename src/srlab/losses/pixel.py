"""Terms that compare pixel by pixel.

Each returns its map, which is then averaged over valid pixels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from srlab.losses.context import Context
from srlab.mistakes import Mistake


class L1(nn.Module):
    """Absolute error, the content term of EDSR and ESRGAN (Lim et al. 2017; Wang et al. 2018)."""

    def forward(self, sr: Tensor, hr: Tensor, context: Context) -> Tensor:
        """Return the map ``|sr - hr|``, ``(B, C, *S)``."""
        return (sr - hr).abs()


class L2(nn.Module):
    """Squared error, the content term of SRResNet (Ledig et al. 2017, eq. 4)."""

    def forward(self, sr: Tensor, hr: Tensor, context: Context) -> Tensor:
        """Return the map ``(sr - hr)²``, ``(B, C, *S)``."""
        return (sr - hr).square()


class Huber(nn.Module):
    """Squared error where it is small, absolute error where it is large (Huber 1964).

    `delta`, in the network's range, is the error at which one becomes the other. The value is
    ``d²/2`` below it and ``delta·(|d| - delta/2)`` above, so the slope never exceeds `delta`.
    """

    def __init__(self, *, delta: float = 0.1) -> None:
        super().__init__()
        self.delta = _positive(delta, "huber.term.delta")

    def forward(self, sr: Tensor, hr: Tensor, context: Context) -> Tensor:
        """Return the map, ``(B, C, *S)``."""
        return F.huber_loss(sr, hr, reduction="none", delta=self.delta)


class Charbonnier(nn.Module):
    """Absolute error rounded off at zero (Charbonnier et al. 1994), as in LapSRN (Lai et al. 2017).

    `eps`, in the network's range, is the radius of the rounding, and the value where SR equals HR.
    """

    def __init__(self, *, eps: float = 1e-3) -> None:
        super().__init__()
        self.eps = _positive(eps, "charbonnier.term.eps")

    def forward(self, sr: Tensor, hr: Tensor, context: Context) -> Tensor:
        """Return the map ``sqrt((sr - hr)² + eps²)``, ``(B, C, *S)``."""
        return torch.hypot(sr - hr, sr.new_full((), self.eps))


def _positive(value: float, argument: str) -> float:
    if value <= 0:
        raise Mistake(f"loss.{argument} is {value}; it must be above 0.")
    return value
