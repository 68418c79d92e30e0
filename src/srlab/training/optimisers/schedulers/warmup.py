"""Warmup: rates that rise at the start."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, get_args

from torch import Tensor
from torch.optim import Optimizer

from srlab.losses import Ramp
from srlab.mistakes import Mistake
from srlab.training.optimisers.schedulers.protocol import Scheduler, Validated

WarmupShape = Literal["linear", "cosine"]


class Warmup:
    """Lets the rates of the scheduler `then` rise from zero over the first `steps` updates.

    Updates are those of the generator. Let ``t = min(n / steps, 1)`` at the n-th update, counted
    from 1. The rate of `then` is multiplied by t for ``linear`` (Goyal et al. 2017, sec. 2.2) and
    by ``(1 - cos πt) / 2`` for ``cosine``. With 0 steps there is no warm-up.

    `then` can be any scheduler. It counts from the first update, not from the end of the warm-up.

    Raises a `Mistake` for another shape or negative `steps`.
    """

    def __init__(
        self,
        optimiser: Optimizer,
        /,
        *,
        steps: int,
        shape: WarmupShape,
        then: Callable[[Optimizer], Scheduler],
    ) -> None:
        shapes = get_args(WarmupShape)
        if shape not in shapes:
            raise Mistake(f"scheduler.shape is {shape!r}; choose one of {', '.join(shapes)}.")
        if steps < 0:
            raise Mistake(f"scheduler.steps is {steps}; give a number of generator updates >= 0.")
        self.optimizer = optimiser
        self._ramp = Ramp(0, steps, shape)
        self._then = then(optimiser)
        self._done = 0
        self._set(self.get_last_lr())

    def step(self) -> None:
        """Set the rates of the next update."""
        self._done += 1
        # torch's schedulers continue from the optimiser's rates, so these must be without warm-up.
        self._set(self._then.get_last_lr())
        self._then.step()
        self._set(self.get_last_lr())

    def validated(self, metrics: Mapping[str, float]) -> None:
        """Pass the scores to `then`, if it depends on them."""
        if isinstance(self._then, Validated):
            self._set(self._then.get_last_lr())
            self._then.validated(metrics)
            self._set(self.get_last_lr())

    def get_last_lr(self) -> list[float | Tensor]:
        """Return the current rate of each group."""
        share = self._ramp.share(self._done + 1)
        return [share * rate for rate in self._then.get_last_lr()]

    def state_dict(self) -> dict[str, Any]:
        """Return the number of updates done, and the state of `then`."""
        return {"done": self._done, "then": self._then.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from a state that `state_dict` returned."""
        self._done = state_dict["done"]
        self._then.load_state_dict(state_dict["then"])

    def _set(self, rates: Sequence[float | Tensor]) -> None:
        """Give each group of the optimiser its rate."""
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
