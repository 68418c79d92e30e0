"""Mapping of stored integers to reflectance."""

from __future__ import annotations

from torch import Tensor, nn

from srlab.mistakes import Mistake
from srlab.normalisers.protocol import Scope, statistic


class Reflectance(nn.Module):
    """Maps stored reflectance to reflectance, ``(value + offset) / quantification``.

    Both numbers are the product's own. Sentinel-2 has a ``QUANTIFICATION_VALUE`` of 10 000. From
    processing baseline 04.00 on its ``BOA_ADD_OFFSET`` is -1000 (Sentinel-2 Products
    Specification Document). Reflectance above 1, such as on snow and glint, is kept.
    """

    scope: Scope = "fixed"
    quantification: Tensor
    offset: Tensor

    def __init__(self, *, quantification: float = 10_000.0, offset: float = 0.0) -> None:
        super().__init__()
        if quantification <= 0:
            raise Mistake(
                f"reflectance got quantification {quantification}; it must be positive, such as "
                "10000."
            )
        self.register_buffer("quantification", statistic(quantification))
        self.register_buffer("offset", statistic(offset))

    def lr(self, image: Tensor, scene: Tensor | None = None) -> Tensor:
        """Bring stored values to reflectance."""
        return (image + self.offset) / self.quantification

    def hr(self, image: Tensor, scene: Tensor | None = None) -> Tensor:
        """Bring stored values to reflectance."""
        return self.lr(image)

    def inverse(self, image: Tensor, scene: Tensor | None = None) -> Tensor:
        """Bring reflectance to stored values."""
        return image * self.quantification - self.offset
