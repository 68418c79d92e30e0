"""Compression by the logarithm, for values that differ by factors, such as SAR intensities."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from srlab.normalisers.protocol import Scope, along_channels, as_positive_buffer


class Log(nn.Module):
    """Maps ``x`` to ``sign(x) · ln(1 + |x| / softening) / ln(1 + maximum / softening)``.

    This is the symmetric logarithm (Webber 2013). It is also defined for zero and negative values.
    The map is nearly linear where ``|x|`` is far below `softening`, and nearly logarithmic where it
    is far above. 0 stays 0, `maximum` becomes 1, and larger values are not clamped. `softening` and
    `maximum` are in physical units: one number, or one for each channel.

    Raises a `Mistake` if one of them is not positive.
    """

    scope: Scope = "fixed"
    softening: Tensor
    maximum: Tensor

    def __init__(
        self, *, softening: float | Sequence[float], maximum: float | Sequence[float]
    ) -> None:
        super().__init__()
        self.register_buffer("softening", as_positive_buffer("softening", softening))
        self.register_buffer("maximum", as_positive_buffer("maximum", maximum))

    def lr(self, image: Tensor, scene: Tensor | None = None) -> Tensor:
        """Compress physical units."""
        softening, divisor = self._softening_and_divisor(image)
        return image.sign() * torch.log1p(image.abs() / softening) / divisor

    def hr(self, image: Tensor, scene: Tensor | None = None) -> Tensor:
        """Compress physical units."""
        return self.lr(image)

    def inverse(self, image: Tensor, scene: Tensor | None = None) -> Tensor:
        """Map compressed values back to physical units."""
        softening, divisor = self._softening_and_divisor(image)
        return image.sign() * torch.expm1(image.abs() * divisor) * softening

    def _softening_and_divisor(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return `softening`, and the divisor that makes `maximum` 1."""
        divisor = torch.log1p(self.maximum / self.softening)
        return along_channels(self.softening, image), along_channels(divisor, image)
