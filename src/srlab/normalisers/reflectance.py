"""Mapping of stored integers to reflectance."""

from __future__ import annotations

from torch import Tensor, nn

from srlab.mistakes import Mistake
from srlab.normalisers.protocol import Scope, as_buffer


class Reflectance(nn.Module):
    """Maps stored values to reflectance, ``(value + offset) / quantification``.

    Both numbers are in the metadata of the satellite product. For Sentinel-2 they are called
    ``QUANTIFICATION_VALUE``, which is 10 000, and ``BOA_ADD_OFFSET``. The latter is -1000 from
    processing baseline 04.00 on (Sentinel-2 Products Specification Document). Reflectance above 1,
    for example that of snow, is not clamped.

    Raises a `Mistake` if `quantification` is not positive.
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
        self.register_buffer("quantification", as_buffer(quantification))
        self.register_buffer("offset", as_buffer(offset))

    def lr(self, image: Tensor, scene: Tensor | None = None) -> Tensor:
        """Map stored values to reflectance."""
        return (image + self.offset) / self.quantification

    def hr(self, image: Tensor, scene: Tensor | None = None) -> Tensor:
        """Map stored values to reflectance."""
        return self.lr(image)

    def inverse(self, image: Tensor, scene: Tensor | None = None) -> Tensor:
        """Map reflectance to stored values."""
        return image * self.quantification - self.offset
