"""Averaging of the HR pixels under each LR pixel."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor

from srlab.axes import per_axis
from srlab.degradations.filtering import filtered


class Area:
    """Averages the HR pixels under each LR pixel, like a detector without optics.

    Values are in any unit. The degradation is linear.
    """

    linear = True

    def __init__(self, *, scale: int | Sequence[int], spatial_dims: int = 2) -> None:
        self.scale = per_axis(scale, spatial_dims)

    def __call__(self, hr: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Degrade HR ``(B, C, *S·scale)`` to LR ``(B, C, *S)``; nothing here is random."""
        weight = 1 / prod(self.scale)
        kernel = torch.full((1, *self.scale), weight, dtype=torch.float64)
        return filtered(hr, kernel, self.scale)
