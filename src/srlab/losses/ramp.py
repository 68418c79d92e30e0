"""The gradual rise of a weight."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from srlab.mistakes import Mistake

RampShape = Literal["none", "linear", "cosine"]


@dataclass(frozen=True)
class Ramp:
    """Nothing before `start` generator updates, then a rise to the full weight over `steps` more.

    Let ``t = clip((s - start) / steps, 0, 1)`` after s updates. Then the share of the weight is t
    for "linear" and ``(1 - cos πt) / 2`` for "cosine". Without steps it is 1 from `start` on.
    """

    start: int = 0
    steps: int = 0
    shape: RampShape = "linear"

    def __post_init__(self) -> None:
        if self.shape not in get_args(RampShape):
            raise Mistake(
                f"a weight rises by {self.shape!r}; choose one of {', '.join(get_args(RampShape))}."
            )
        if self.start < 0 or self.steps < 0:
            raise Mistake(
                f"a weight starts at step {self.start} and rises over {self.steps}; both count "
                "generator updates and cannot be negative."
            )
        if self.shape == "none" and self.steps:
            raise Mistake(
                f"a weight rises over {self.steps} steps by 'none'; choose linear or cosine, or "
                "0 steps."
            )

    def share(self, step: int) -> float:
        """The share in force after `step` generator updates, in 0–1."""
        if step < self.start:
            return 0.0
        done = 1.0
        if self.steps:
            done = min((step - self.start) / self.steps, 1.0)
        if self.shape == "cosine":
            return (1 - math.cos(math.pi * done)) / 2
        return done
