"""Linear mapping of a known range to 0–1."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from srlab.mistakes import Mistake
from srlab.normalisers.protocol import Scope, along_channels, as_buffer


class MinMax(nn.Module):
    """Maps ``x`` to ``(x - minimum) / (maximum - minimum)``; values outside 0–1 are not clamped.

    `minimum` and `maximum` are in physical units: one number, or one for each channel.

    Raises a `Mistake` if `maximum` is not larger than `minimum`.
    """

    scope: Scope = "fixed"
    minimum: Tensor
    maximum: Tensor

    def __init__(
        self, *, minimum: float | Sequence[float], maximum: float | Sequence[float]
    ) -> None:
        super().__init__()
        self.register_buffer("minimum", as_buffer(minimum))
        self.register_buffer("maximum", as_buffer(maximum))
        # The comparison is false for NaN, which is thus refused, too.
        if not bool((self.maximum > self.minimum).all()):
            raise Mistake(
                f"minmax got minimum {minimum} and maximum {maximum}; the maximum must be larger."
            )

    def lr(self, image: Tensor, scene: Tensor | None = None) -> Tensor:
        """Map physical units to 0–1."""
        low, high = self._limits(image)
        return (image - low) / (high - low)

    def hr(self, image: Tensor, scene: Tensor | None = None) -> Tensor:
        """Map physical units to 0–1."""
        return self.lr(image)

    def inverse(self, image: Tensor, scene: Tensor | None = None) -> Tensor:
        """Map 0–1 to physical units."""
        low, high = self._limits(image)
        return image * (high - low) + low

    def _limits(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return `minimum` and `maximum`, shaped to broadcast over an image."""
        return along_channels(self.minimum, image), along_channels(self.maximum, image)
