"""Mapping of a known range to 0–1."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from srlab.mistakes import Mistake
from srlab.normalisers.protocol import Scope, along_channels, statistic


class MinMax(nn.Module):
    """Maps ``[minimum, maximum]`` to ``[0, 1]`` linearly; values beyond are not clamped.

    `minimum` and `maximum` are in physical units: one number, or one for each channel.
    """

    scope: Scope = "fixed"
    minimum: Tensor
    maximum: Tensor

    def __init__(
        self, *, minimum: float | Sequence[float], maximum: float | Sequence[float]
    ) -> None:
        super().__init__()
        self.register_buffer("minimum", statistic(minimum))
        self.register_buffer("maximum", statistic(maximum))
        if not bool((self.maximum > self.minimum).all()):
            raise Mistake(
                f"minmax got minimum {minimum} and maximum {maximum}; the maximum must be larger."
            )

    def lr(self, image: Tensor, scene: Tensor | None = None) -> Tensor:
        """Bring physical units to 0–1."""
        low, high = along_channels(self.minimum, image), along_channels(self.maximum, image)
        return (image - low) / (high - low)

    def hr(self, image: Tensor, scene: Tensor | None = None) -> Tensor:
        """Bring physical units to 0–1."""
        return self.lr(image)

    def inverse(self, image: Tensor, scene: Tensor | None = None) -> Tensor:
        """Bring 0–1 to physical units."""
        low, high = along_channels(self.minimum, image), along_channels(self.maximum, image)
        return image * (high - low) + low
