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
"""The slice profile: constant over the thickness, or a Gaussian.

The thickness is the full width at half maximum of the Gaussian.
"""

REACH = 4.0
"""The radius of a Gaussian in standard deviations; 1/16 000 of the weight lies beyond."""


class ThickSlices:
    """Averages HR across slices along the one axis whose scale is above 1.

    The distance between slices in HR pixels is the scale. A share `gap` of it lies between slices,
    and the rest is the thickness of a slice. Across the slice, HR is weighted by a `profile` (Zhao
    et al. 2021, SMORE). Values are in any unit. The map is linear.

    Raises a `Mistake` if not exactly one axis has a scale above 1, or `gap` is not in [0, 1).
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
        self.profile, self.thickness = profile, self.scale[self.axis] * (1 - gap)

    def __call__(self, hr: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Degrade HR ``(B, C, *S·scale)`` to LR ``(B, C, *S)``; nothing here is random."""
        factor = self.scale[self.axis]
        taps = box(self.thickness, factor)
        if self.profile == "gaussian":
            taps = _gaussian(self.thickness, factor)
        return filtered(hr, along(taps[None], self.axis, len(self.scale)), self.scale)


def _gaussian(width: float, factor: int) -> Tensor:
    """Return a Gaussian of a full width at half maximum at the centres of HR pixels, in sum 1."""
    deviation = width / sqrt(8 * log(2))
    size = 2 * ceil(REACH * deviation) + factor % 2
    places = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    taps = torch.exp(-0.5 * (places / deviation) ** 2)
    return taps / taps.sum()
