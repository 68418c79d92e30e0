"""Compression of wide ranges of brightness by the inverse hyperbolic sine."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from srlab.normalisers.protocol import Scope, along_channels, positive


class Arcsinh(nn.Module):
    """Maps ``x`` to ``asinh(x / softening) / asinh(maximum / softening)`` (Lupton et al. 1999).

    It is linear far below `softening` and logarithmic far above it, on both sides of zero. 0 stays
    0 and `maximum` becomes 1; values beyond are kept. Both are positive and in physical units: one
    number, or one for each channel.
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
        return torch.asinh(image / softening) / end

    def hr(self, image: Tensor, scene: Tensor | None = None) -> Tensor:
        """Compress physical units."""
        return self.lr(image)

    def inverse(self, image: Tensor, scene: Tensor | None = None) -> Tensor:
        """Bring compressed values back to physical units."""
        softening, end = self._numbers(image)
        return torch.sinh(image * end) * softening

    def _numbers(self, image: Tensor) -> tuple[Tensor, Tensor]:
        end = torch.asinh(self.maximum / self.softening)
        return along_channels(self.softening, image), along_channels(end, image)
