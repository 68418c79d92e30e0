"""Several degradations, applied one after another."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor

from srlab.axes import per_axis
from srlab.degradations.protocol import Degradation
from srlab.mistakes import Mistake


class Chain:
    """Applies several degradations, the `steps`, one after another.

    Values are in the unit that the steps take. The chain is linear if all steps are linear.

    Raises a `Mistake` if the product of the steps' scales is not `scale`, or there are no steps.
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
        scales = [step.scale for step in self.steps]
        total = tuple(prod(factors) for factors in zip(*scales, strict=True))
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
