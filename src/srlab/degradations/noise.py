"""The shot noise and read noise of a detector."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from srlab.axes import per_axis
from srlab.degradations.ranges import check_range, drawn
from srlab.mistakes import Mistake


class Noise:
    """Adds the shot noise and the read noise of a detector (Foi et al. 2008, eq. 3).

    A value ``x`` becomes ``gain · Poisson(x / gain) + sigma · N(0, 1)``. Its variance is
    ``gain · x + sigma²``. Negative values get no shot noise. The size of the image stays.

    `gain` and `sigma` are in the unit of the image. Each is one number, or ``[low, high]`` from
    which each image draws one. 0 leaves that noise out. Gradients pass through unchanged.

    Raises a `Mistake` if a number is negative, or both are zero.
    """

    linear = False

    def __init__(
        self,
        *,
        gain: float | Sequence[float] = 0.0,
        sigma: float | Sequence[float] = 0.0,
        spatial_dims: int = 2,
    ) -> None:
        self.scale = per_axis(1, spatial_dims)
        self.gain = check_range("gain", gain, least=0)
        self.sigma = check_range("sigma", sigma, least=0)
        if self.gain[1] == 0 and self.sigma[1] == 0:
            raise Mistake("gain and sigma of the noise are both 0; set one, or leave noise out.")

    def __call__(self, hr: Tensor, *, generator: torch.Generator) -> Tensor:
        """Add noise to ``(B, C, *S)``."""
        gain = drawn(self.gain, hr, generator)
        sigma = drawn(self.sigma, hr, generator)
        signal = hr.detach()
        noise = torch.zeros_like(signal)
        if self.gain[1] > 0:
            positive = signal.clamp(min=0)
            # A gain of 0 may be drawn. Shot noise then vanishes, since the mean exceeds the limit.
            step = gain.clamp(min=torch.finfo(hr.dtype).tiny)
            mean = positive / step
            counts = torch.poisson(mean.clamp(max=_MOST), generator=generator)
            noise = torch.where(mean < _MOST, counts * step - positive, noise)
        if self.sigma[1] > 0:
            normal = torch.randn(hr.shape, dtype=hr.dtype, device=hr.device, generator=generator)
            noise = noise + sigma * normal
        return hr + noise


_MOST = 1e9
"""The number of photons from which shot noise, below 1/30 000 of the signal, is left out."""
