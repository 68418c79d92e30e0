"""A weight that rises gradually during training."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from srlab.mistakes import Mistake

RampShape = Literal["none", "linear", "cosine"]


@dataclass(frozen=True)
class Ramp:
    """The share of a weight that is in force at each step of a training run, from 0 to 1.

    The share is 0 before `start` generator updates, and then rises to 1 over `steps` updates. Let
    ``t = (s - start) / steps``, at most 1, after s updates. The share is t for the `shape`
    "linear", and ``(1 - cos πt) / 2`` for "cosine". If `steps` is 0, it is 1 from `start` on.

    Raises a `Mistake` for another shape, for negative numbers, and for the shape "none" with steps.
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
        """Return the share in force after `step` generator updates, in 0–1."""
        if step < self.start:
            return 0.0
        done = 1.0
        if self.steps:
            done = min((step - self.start) / self.steps, 1.0)
        if self.shape == "cosine":
            return (1 - math.cos(math.pi * done)) / 2
        return done
