"""Terms that compare pixel by pixel; each returns its map, which is then averaged over valid pixels."""

from __future__ import annotations

from torch import Tensor, nn

from srlab.losses.context import Context


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
