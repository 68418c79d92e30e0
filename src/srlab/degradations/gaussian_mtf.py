"""A sensor's blur, given by its modulation transfer function (MTF)."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, log, pi, sqrt

import torch
from torch import Tensor

from srlab.axes import per_axis
from srlab.degradations.filtering import along, filtered
from srlab.mistakes import Mistake

REACH = 4.0
"""The radius of the kernel in standard deviations; 1/16 000 of the weight lies beyond."""


class GaussianMtf:
    r"""Blurs with a Gaussian of a given MTF at the LR Nyquist frequency, and samples LR pixels.

    The MTF of a Gaussian is :math:`\exp(-2 \pi^2 \sigma^2 f^2)`. The Nyquist frequency of a scale
    :math:`s` is :math:`1 / (2 s)`. There the MTF is `mtf`, which follows from
    :math:`\sigma = s \sqrt{-2 \ln m} / \pi` HR pixels (Aiazzi et al. 2006, sec. III).

    `mtf` is one number in (0, 1), or one for each channel. Sensors have about 0.2 to 0.4. An axis
    of scale 1 is left alone. Values are in any unit. The map is linear.

    Raises a `Mistake` if a number is not in (0, 1).
    """

    linear = True

    def __init__(
        self,
        *,
        scale: int | Sequence[int],
        mtf: float | Sequence[float],
        spatial_dims: int = 2,
    ) -> None:
        self.scale = per_axis(scale, spatial_dims)
        self.mtf = [mtf] if isinstance(mtf, float | int) else list(mtf)
        if not self.mtf or not all(0 < value < 1 for value in self.mtf):
            raise Mistake(
                f"mtf is {mtf}; give a number between 0 and 1, such as 0.3, or one a channel."
            )

    def __call__(self, hr: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Degrade HR ``(B, C, *S·scale)`` to LR ``(B, C, *S)``; nothing here is random."""
        dims = len(self.scale)
        for axis, factor in enumerate(self.scale):
            if factor == 1:
                continue
            only_here = [1] * dims
            only_here[axis] = factor
            hr = filtered(hr, along(self._taps(factor), axis, dims), only_here)
        return hr

    def _taps(self, factor: int) -> Tensor:
        """Return ``(len(mtf), K)`` weights, whose sum is one."""
        deviations = [factor * sqrt(-2 * log(value)) / pi for value in self.mtf]
        half = ceil(REACH * max(deviations))
        size = 2 * half + factor % 2
        places = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
        widths = torch.tensor(deviations, dtype=torch.float64)[:, None]
        taps = torch.exp(-0.5 * (places / widths) ** 2)
        return taps / taps.sum(dim=1, keepdim=True)
