"""The shot noise and read noise of a detector."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from srlab.axes import per_axis
from srlab.degradations.ranges import check_range, drawn
from srlab.mistakes import Mistake


class Noise:
    """Adds shot noise and read noise; the size of the image stays.

    A value ``x`` becomes ``gain · Poisson(x / gain) + sigma · N(0, 1)``. Its variance is
    ``gain · x + sigma²`` (Foi et al. 2008, eq. 3). `gain` and `sigma` are in the image's unit. Each
    is a number, or ``[low, high]`` from which each image draws one. 0 leaves that noise out.
    Negative values have no shot noise. Gradients pass as if no noise were added.

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
            # A gain of 0 may be drawn; shot noise vanishes in this limit.
            positive = signal.clamp(min=0)
            step = gain.clamp(min=torch.finfo(hr.dtype).tiny)
            counts = torch.poisson((positive / step).clamp(max=_MOST), generator=generator)
            noise = torch.where(positive / step < _MOST, counts * step - positive, noise)
        if self.sigma[1] > 0:
            normal = torch.randn(hr.shape, dtype=hr.dtype, device=hr.device, generator=generator)
            noise = noise + sigma * normal
        return hr + noise


_MOST = 1e9
"""Counts above which shot noise is below 1/30 000 of the signal and is left out."""
