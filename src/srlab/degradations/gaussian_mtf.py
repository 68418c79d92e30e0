"""The blur of a sensor whose modulation transfer function (MTF) is known."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, log, pi, sqrt

import torch
from torch import Tensor

from srlab.axes import per_axis
from srlab.degradations.filtering import along, filtered
from srlab.mistakes import Mistake

REACH = 4.0
"""The radius of the kernel in standard deviations; 1/16 000 of a Gaussian's weight lies beyond."""


class GaussianMtf:
    r"""Blurs with a Gaussian of a given MTF, and samples LR pixels (Aiazzi et al. 2006, sec. III).

    `mtf` is the value m of the MTF at the Nyquist frequency of LR. It is one number in (0, 1), or
    one for each channel. Most sensors have 0.2 to 0.4.

    The MTF of a Gaussian is :math:`\exp(-2 \pi^2 \sigma^2 f^2)`. For a scale :math:`s`, the Nyquist
    frequency of LR is :math:`f = 1 / (2 s)` cycles per HR pixel. So the standard deviation is
    :math:`\sigma = s \sqrt{-2 \ln m} / \pi` HR pixels.

    An axis of scale 1 is not blurred. Values are in any unit. The degradation is linear.

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
            scale_of_axis = [1] * dims
            scale_of_axis[axis] = factor
            kernel = along(self._weights(factor), axis, dims)
            hr = filtered(hr, kernel, scale_of_axis)
        return hr

    def _weights(self, factor: int) -> Tensor:
        """Return the Gaussian weights of HR pixels ``(len(mtf), K)``, with sum 1 in each row."""
        deviations = [factor * sqrt(-2 * log(value)) / pi for value in self.mtf]
        radius = ceil(REACH * max(deviations))
        size = 2 * radius + factor % 2  # even if the factor is even, see `filtered`
        places = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
        by_row = torch.tensor(deviations, dtype=torch.float64)[:, None]
        weights = torch.exp(-0.5 * (places / by_row) ** 2)
        return weights / weights.sum(dim=1, keepdim=True)
