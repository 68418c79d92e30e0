"""Chained: two schedulers, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

from srlab.mistakes import Mistake
from srlab.training.optimisers.schedulers.protocol import Scheduler, Validated


class Chained:
    """Uses the scheduler `first` for `steps` generator updates, and then the scheduler `then`.

    Each can be any scheduler, including another chain. Each counts updates from its own start, and
    begins with the optimiser's rates. Scores of validations go to the active one.

    Raises a `Mistake` if `steps` is not a whole number >= 1.
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

        # torch's schedulers store values in the optimiser's groups when they are made. Each is made
        # with the groups as they are now, and finds its own values when it becomes active.
        original = _settings(optimiser)
        self._first = first(optimiser)
        settings_of_first = _settings(optimiser)
        _restore(optimiser, original)
        self._then = then(optimiser)
        self._settings_of_then = _settings(optimiser)
        _restore(optimiser, settings_of_first)
        self._done = 0

    @property
    def _active(self) -> Scheduler:
        return self._first if self._done < self.steps else self._then

    def step(self) -> None:
        """Set the rates of the next update."""
        self._active.step()
        self._done += 1
        if self._done == self.steps:
            _restore(self.optimizer, self._settings_of_then)

    def validated(self, metrics: Mapping[str, float]) -> None:
        """Pass the scores to the active scheduler, if it depends on them."""
        if isinstance(self._active, Validated):
            self._active.validated(metrics)

    def get_last_lr(self) -> list[float | Tensor]:
        """Return the current rate of each group."""
        return self._active.get_last_lr()

    def state_dict(self) -> dict[str, Any]:
        """Return the number of updates done, and the state of both schedulers."""
        return {
            "done": self._done,
            "first": self._first.state_dict(),
            "then": self._then.state_dict(),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from a state that `state_dict` returned."""
        self._done = state_dict["done"]
        self._first.load_state_dict(state_dict["first"])
        self._then.load_state_dict(state_dict["then"])


def _settings(optimiser: Optimizer) -> list[dict[str, Any]]:
    """Return everything that the groups of an optimiser hold besides their parameters."""
    settings = [dict(group) for group in optimiser.param_groups]
    for group in settings:
        del group["params"]
    return settings


def _restore(optimiser: Optimizer, settings: Sequence[Mapping[str, Any]]) -> None:
    """Put settings back that `_settings` returned."""
    for group, values in zip(optimiser.param_groups, settings, strict=True):
        for name in group.keys() - values.keys() - {"params"}:
            del group[name]
        group.update(values)
