"""Stored reflectance to reflectance."""

from __future__ import annotations

from torch import Tensor, nn

from srlab.mistakes import Mistake
from srlab.normalisers.protocol import statistic


class Reflectance(nn.Module):
    """Maps stored reflectance to reflectance, ``(value + offset) / quantification``.

    `quantification` and `offset` are the product's own: for Sentinel-2, ``QUANTIFICATION_VALUE`` is 10 000 and,
    from processing baseline 04.00 on, ``BOA_ADD_OFFSET`` is -1000 (Sentinel-2 Products Specification Document).
    Reflectance above 1, as on snow and glint, is kept.
    """

    quantification: Tensor
    offset: Tensor

    def __init__(self, *, quantification: float = 10_000.0, offset: float = 0.0) -> None:
        super().__init__()
        if quantification <= 0:
            raise Mistake(
                f"reflectance got quantification {quantification}; it must be positive, as 10000."
            )
        self.register_buffer("quantification", statistic(quantification))
        self.register_buffer("offset", statistic(offset))

    def lr(self, image: Tensor) -> Tensor:
        """Stored values to reflectance."""
        return (image + self.offset) / self.quantification

    def hr(self, image: Tensor) -> Tensor:
        """Stored values to reflectance."""
        return self.lr(image)

    def inverse(self, image: Tensor) -> Tensor:
        """Reflectance to stored values."""
        return image * self.quantification - self.offset
