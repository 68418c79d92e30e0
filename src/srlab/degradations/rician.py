"""The Rician noise of magnitude images in MRI."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from srlab.axes import per_axis
from srlab.degradations.ranges import check_range, drawn
from srlab.mistakes import Mistake


class Rician:
    """Adds the noise of an MRI magnitude image; the size of the image stays.

    A scanner measures a complex number, with normal noise in both parts, and shows its magnitude.
    A value ``x`` becomes ``sqrt((x + a)² + b²)`` (Gudbjartsson & Patz 1995). The standard deviation
    of ``a`` and ``b`` is ``sigma · full_scale``. `sigma` is a number, or ``[low, high]`` from which
    each image draws one. `full_scale` is in the image's unit.

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
