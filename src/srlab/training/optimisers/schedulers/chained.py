"""Chained: two schedulers, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

from srlab.mistakes import Mistake
from srlab.training.optimisers.schedulers.protocol import Scheduler, Validated


class Chained:
    """Lets `first` set the rates of the first `steps` generator updates, and `then` the others.

    Each counts its own updates from 0, and begins with the optimiser's rates. Each can be any
    scheduler, including another chain. The scores of a validation are passed to the active one.
    """

    def __init__(
        self,
        optimiser: Optimizer,
        /,
        *,
        first: Callable[[Optimizer], Scheduler],
        steps: int,
        then: Callable[[Optimizer], Scheduler],
    ) -> None:
        if steps < 1 or steps % 1:
            raise Mistake(
                f"scheduler.steps is {steps}; give the number of generator updates of the first "
                "scheduler, a whole number >= 1."
            )
        self.optimizer = optimiser
        self.steps = steps
        at_start = _settings(optimiser)
        self._first = first(optimiser)
        of_first = _settings(optimiser)  # torch's schedulers store values in the groups
        _restore(optimiser, at_start)
        self._then = then(optimiser)
        self._of_then = _settings(optimiser)
        _restore(optimiser, of_first)
        self._done = 0

    @property
    def _in_force(self) -> Scheduler:
        return self._first if self._done < self.steps else self._then

    def step(self) -> None:
        """Set the rates of the next update."""
        self._in_force.step()
        self._done += 1
        if self._done == self.steps:
            _restore(self.optimizer, self._of_then)

    def validated(self, metrics: Mapping[str, float]) -> None:
        """Pass the scores on to the scheduler in force, if it depends on them."""
        if isinstance(self._in_force, Validated):
            self._in_force.validated(metrics)

    def get_last_lr(self) -> list[float | Tensor]:
        """Return the rates in force, one for each group."""
        return self._in_force.get_last_lr()

    def state_dict(self) -> dict[str, Any]:
        """Return the number of updates and the state of both."""
        return {
            "done": self._done,
            "first": self._first.state_dict(),
            "then": self._then.state_dict(),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a state."""
        self._done = state_dict["done"]
        self._first.load_state_dict(state_dict["first"])
        self._then.load_state_dict(state_dict["then"])


def _settings(optimiser: Optimizer) -> list[dict[str, Any]]:
    """All that the groups of an optimiser hold besides their parameters."""
    settings = [dict(group) for group in optimiser.param_groups]
    for group in settings:
        del group["params"]
    return settings


def _restore(optimiser: Optimizer, settings: Sequence[Mapping[str, Any]]) -> None:
    """Put back what `_settings` returned."""
    for group, values in zip(optimiser.param_groups, settings, strict=True):
        for name in group.keys() - values.keys() - {"params"}:
            del group[name]
        group.update(values)
