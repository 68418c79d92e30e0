"""Piecewise: rates that change in steps."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from srlab.mistakes import Mistake


class Piecewise(LambdaLR):
    """Multiplies the optimiser's rates by ``factors[i]`` once `i` of the `milestones` are reached.

    Milestones count generator updates. Rates may rise again, for example when a second phase of
    training begins. torch's ``MultiStepLR`` has the same factor at each milestone.

    Raises a `Mistake` if milestones do not rise, or if the number of factors does not fit.
    """

    def __init__(
        self, optimiser: Optimizer, /, *, milestones: Sequence[int], factors: Sequence[float]
    ) -> None:
        rising = list(milestones) == sorted(set(milestones))
        if not rising or len(factors) != len(milestones) + 1 or min(factors) < 0:
            raise Mistake(
                f"scheduler.milestones are {list(milestones)} and scheduler.factors "
                f"{list(factors)}; give rising numbers of generator updates, and one factor >= 0 "
                "more than milestones."
            )
        super().__init__(optimiser, lambda step: factors[bisect_right(milestones, step)])
