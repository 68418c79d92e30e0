"""Images in float64."""

from __future__ import annotations

from torch import Tensor


def in_double(image: Tensor) -> Tensor:
    """The image in float64, or as it is on MPS devices, which have no float64."""
    if image.device.type == "mps":
        return image
    return image.double()
