"""Conversion of images to float64."""

from __future__ import annotations

from torch import Tensor


def in_double(image: Tensor) -> Tensor:
    """Return the image in float64, or unchanged on MPS devices, which have no float64."""
    if image.device.type == "mps":
        return image
    return image.double()
