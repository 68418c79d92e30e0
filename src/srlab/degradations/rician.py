"""The Rician noise of magnitude images in MRI."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from srlab.axes import per_axis
from srlab.degradations.ranges import check_range, drawn
from srlab.mistakes import Mistake


class Rician:
    """Adds the Rician noise of an MRI magnitude image (Gudbjartsson & Patz 1995).

    A scanner measures complex numbers, with normal noise in both parts, and shows their magnitude.
    So a value ``x`` becomes ``sqrt((x + a)² + b²)``. The random numbers ``a`` and ``b`` have the
    standard deviation ``sigma · full_scale``. `sigma` is one number, or ``[low, high]`` from which
    each image draws one. `full_scale` is in the unit of the image, whose size stays.

    Raises a `Mistake` if a number is negative, or `full_scale` is not above 0.
    """

    linear = False

    def __init__(
        self, *, sigma: float | Sequence[float], full_scale: float, spatial_dims: int = 2
    ) -> None:
        self.scale = per_axis(1, spatial_dims)
        self.sigma = check_range("sigma", sigma, least=0)
        if not full_scale > 0:
            raise Mistake(
                f"full_scale is {full_scale}; give the largest value of the images, above 0."
            )
        self.full_scale = full_scale

    def __call__(self, hr: Tensor, *, generator: torch.Generator) -> Tensor:
        """Add noise to ``(B, C, *S)``."""
        deviation = drawn(self.sigma, hr, generator) * self.full_scale
        parts = (2, *hr.shape)
        noise = torch.randn(parts, dtype=hr.dtype, device=hr.device, generator=generator)
        real, imaginary = deviation * noise
        return torch.hypot(hr + real, imaginary)
