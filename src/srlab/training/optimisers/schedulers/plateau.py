"""Plateau: rates that fall when validation stops improving."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from srlab.mistakes import Mistake

Mode = Literal["max", "min"]


class Plateau:
    """Multiplies the rates by `factor` after more than `patience` validations without improvement.

    It is torch's ``ReduceLROnPlateau``, counted in validations. `monitor` is the name of a logged
    value. It improves if it changes by more than `threshold`, in its own unit and in the direction
    of `mode` (``max`` or ``min``). NaN is no improvement. The first `cooldown` validations after a
    reduction do not count. No rate falls below `min_lr`.

    Raises a `Mistake` if an argument is out of range.
    """

    def __init__(
        self,
        optimiser: Optimizer,
        /,
        *,
        monitor: str,
        mode: Mode,
        factor: float,
        patience: int,
        cooldown: int,
        threshold: float,
        min_lr: float,
    ) -> None:
        if mode not in get_args(Mode):
            raise Mistake(f"scheduler.mode is {mode!r}; choose one of {', '.join(get_args(Mode))}.")
        if not 0 < factor < 1:
            raise Mistake(f"scheduler.factor is {factor}; give a number between 0 and 1.")
        if min(patience, cooldown, threshold, min_lr) < 0:
            raise Mistake(
                f"scheduler.patience is {patience}, cooldown {cooldown}, threshold {threshold} and "
                f"min_lr {min_lr}; none can be negative."
            )
        self.optimizer = optimiser
        self.monitor = monitor
        self._decider = ReduceLROnPlateau(
            optimiser,
            mode=mode,
            factor=factor,
            patience=patience,
            cooldown=cooldown,
            threshold=threshold,
            threshold_mode="abs",  # "rel" counts a repeated negative value as an improvement.
            min_lr=min_lr,
            eps=0.0,  # With torch's default, rates up to 1e-8 would never fall.
        )

    def step(self) -> None:
        """Do nothing: the rates change after validations only."""

    def validated(self, metrics: Mapping[str, float]) -> None:
        """Reduce the rates if a reduction is due; a `Mistake` if `metrics` lacks the monitor."""
        if self.monitor not in metrics:
            raise Mistake(
                f"scheduler.monitor is {self.monitor!r}, which validation does not report; it "
                f"reports {', '.join(sorted(metrics))}."
            )
        self._decider.step(metrics[self.monitor])

    def get_last_lr(self) -> list[float | Tensor]:
        """Return the current rate of each group."""
        return self._decider.get_last_lr()

    def state_dict(self) -> dict[str, Any]:
        """Return the best value, and the counts of validations."""
        return self._decider.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from a state that `state_dict` returned."""
        self._decider.load_state_dict(state_dict)
