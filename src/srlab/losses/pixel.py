"""Loss terms that compare SR and HR pixel by pixel, in the network's range.

Each returns a map ``(B, C, *S)``, which is then averaged over the valid pixels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from srlab.losses.context import Context
from srlab.mistakes import Mistake


class L1(nn.Module):
    """Absolute error, as in EDSR (Lim et al. 2017) and ESRGAN (Wang et al. 2018, eq. 3)."""

    def forward(self, sr: Tensor, hr: Tensor, context: Context) -> Tensor:
        """Return the map ``|sr - hr|``, ``(B, C, *S)``."""
        return (sr - hr).abs()


class L2(nn.Module):
    """Squared error, as in SRResNet (Ledig et al. 2017, eq. 4)."""

    def forward(self, sr: Tensor, hr: Tensor, context: Context) -> Tensor:
        """Return the map ``(sr - hr)²``, ``(B, C, *S)``."""
        return (sr - hr).square()


class Huber(nn.Module):
    """Squared error of small differences and absolute error of large ones (Huber 1964).

    `delta` is the difference that separates the two, in the network's range. For a difference
    ``d = sr - hr`` the value is ``d²/2`` where ``|d| <= delta``, and ``delta·(|d| - delta/2)``
    elsewhere. So the slope never exceeds `delta`.

    Raises a `Mistake` unless `delta` is above 0.
    """

    def __init__(self, *, delta: float = 0.1) -> None:
        super().__init__()
        self.delta = _positive(delta, "huber.term.delta")

    def forward(self, sr: Tensor, hr: Tensor, context: Context) -> Tensor:
        """Return the map of values, ``(B, C, *S)``."""
        return F.huber_loss(sr, hr, reduction="none", delta=self.delta)


class Charbonnier(nn.Module):
    """Smoothed absolute error (Charbonnier et al. 1994), as in LapSRN (Lai et al. 2017).

    For a difference ``d = sr - hr`` the value is ``sqrt(d² + eps²)``. `eps` is in the network's
    range. It is the value where SR equals HR, and the difference below which the curve is round.

    Raises a `Mistake` unless `eps` is above 0.
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
