"""Compression by the logarithm, for values that differ by factors, such as SAR intensities."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from srlab.normalisers.protocol import Scope, along_channels, positive


class Log(nn.Module):
    """Maps ``x`` to ``sign(x) · ln(1 + |x| / softening) / ln(1 + maximum / softening)``.

    This is the symmetric logarithm (Webber 2013), which is defined for zero and negative values. 0
    stays 0 and `maximum` becomes 1; values beyond are not clamped. The map is linear far below
    `softening` and logarithmic far above it. Both are positive and in physical units: one number,
    or one for each channel.
    """

    scope: Scope = "fixed"
    softening: Tensor
    maximum: Tensor

    def __init__(
        self, *, softening: float | Sequence[float], maximum: float | Sequence[float]
    ) -> None:
        super().__init__()
        self.register_buffer("softening", positive("softening", softening))
        self.register_buffer("maximum", positive("maximum", maximum))

    def lr(self, image: Tensor, scene: Tensor | None = None) -> Tensor:
        """Compress physical units."""
        softening, end = self._numbers(image)
        return image.sign() * torch.log1p(image.abs() / softening) / end

    def hr(self, image: Tensor, scene: Tensor | None = None) -> Tensor:
        """Compress physical units."""
        return self.lr(image)

    def inverse(self, image: Tensor, scene: Tensor | None = None) -> Tensor:
        """Bring compressed values back to physical units."""
        softening, end = self._numbers(image)
        return image.sign() * torch.expm1(image.abs() * end) * softening

    def _numbers(self, image: Tensor) -> tuple[Tensor, Tensor]:
        end = torch.log1p(self.maximum / self.softening)
        return along_channels(self.softening, image), along_channels(end, image)
