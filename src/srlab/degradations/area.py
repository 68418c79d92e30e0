"""The mean of the HR pixels under each LR pixel."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor

from srlab.axes import per_axis
from srlab.degradations.filtering import filtered


class Area:
    """Averages the HR pixels that an LR pixel covers: an ideal detector without optics.

    Values are in any unit. The map is linear.
    """

    linear = True

    def __init__(self, *, scale: int | Sequence[int], spatial_dims: int = 2) -> None:
        self.scale = per_axis(scale, spatial_dims)

    def __call__(self, hr: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Degrade HR ``(B, C, *S·scale)`` to LR ``(B, C, *S)``; nothing here is random."""
        kernel = torch.full((1, *self.scale), 1 / prod(self.scale), dtype=torch.float64)
        return filtered(hr, kernel, self.scale)
