"""A chain of several degradations."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor

from srlab.axes import per_axis
from srlab.degradations.protocol import Degradation
from srlab.mistakes import Mistake


class Chain:
    """Applies degradations one after the other; the scale is the product of theirs.

    It is linear if all of them are.

    Raises a `Mistake` if there are none, or their scales do not make `scale`.
    """

    def __init__(
        self,
        *,
        scale: int | Sequence[int],
        steps: Sequence[Degradation],
        spatial_dims: int = 2,
    ) -> None:
        self.scale = per_axis(scale, spatial_dims)
        self.steps = list(steps)
        factors_of_axes = zip(*(step.scale for step in self.steps), strict=True)
        total = tuple(map(prod, factors_of_axes))
        if total != self.scale:
            raise Mistake(
                f"the steps of the chain shrink by {total} and scale is {self.scale}; give steps "
                "whose product it is. Noise and compression shrink by 1."
            )
        self.linear = all(step.linear for step in self.steps)

    def __call__(self, hr: Tensor, *, generator: torch.Generator) -> Tensor:
        """Degrade HR ``(B, C, *S·scale)`` to LR ``(B, C, *S)``."""
        for step in self.steps:
            hr = step(hr, generator=generator)
        return hr
