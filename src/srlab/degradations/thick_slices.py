"""Thick slices, as in a stack of 2D scans."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, log, sqrt
from typing import Literal, get_args

import torch
from torch import Tensor

from srlab.axes import per_axis
from srlab.degradations.filtering import along, box, filtered
from srlab.mistakes import Mistake

Profile = Literal["box", "gaussian"]
"""The weight of HR across a slice: constant over the slice thickness, or a Gaussian.

The full width at half maximum of the Gaussian is the slice thickness.
"""

REACH = 4.0
"""The radius of a Gaussian in standard deviations; 1/16 000 of the weight lies beyond."""


class ThickSlices:
    """Averages HR over the thickness of each slice (Zhao et al. 2021, SMORE).

    Slices are thick along the one axis whose scale is above 1. Their spacing is the scale, in HR
    pixels. A share `gap` of the spacing lies between slices, and the rest is the slice thickness.
    Across a slice, HR is weighted by the `profile`. Values are in any unit. The degradation is
    linear.

    Raises a `Mistake` unless exactly one axis has a scale above 1, `gap` is in [0, 1), and the
    `profile` is known.
    """

    linear = True

    def __init__(
        self,
        *,
        scale: int | Sequence[int],
        profile: Profile,
        gap: float,
        spatial_dims: int = 2,
    ) -> None:
        self.scale = per_axis(scale, spatial_dims)
        thick = [axis for axis, factor in enumerate(self.scale) if factor > 1]
        if len(thick) != 1:
            raise Mistake(
                f"scale is {self.scale}; slices are thick along one axis, so set scale=[3,1,1], or "
                "scale=[3,1] with spatial_dims=2."
            )
        if profile not in get_args(Profile):
            raise Mistake(f"profile is {profile!r}; give one of {', '.join(get_args(Profile))}.")
        if not 0 <= gap < 1:
            raise Mistake(
                f"gap is {gap}; give the share of the slices' distance that lies between them, "
                "from 0 to below 1."
            )
        (self.axis,) = thick
        self.profile = profile
        self.thickness = self.scale[self.axis] * (1 - gap)

    def __call__(self, hr: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Degrade HR ``(B, C, *S·scale)`` to LR ``(B, C, *S)``; nothing here is random."""
        factor = self.scale[self.axis]
        weights = box(self.thickness, factor)
        if self.profile == "gaussian":
            weights = _gaussian(self.thickness, factor)
        kernel = along(weights[None], self.axis, len(self.scale))
        return filtered(hr, kernel, self.scale)


def _gaussian(width: float, factor: int) -> Tensor:
    """Return Gaussian weights of HR pixels, with sum 1; `width` is the full one at half maximum."""
    deviation = width / sqrt(8 * log(2))
    size = 2 * ceil(REACH * deviation) + factor % 2
    places = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    taps = torch.exp(-0.5 * (places / deviation) ** 2)
    return taps / taps.sum()
