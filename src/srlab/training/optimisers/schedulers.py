"""Learning rates over a run, for what torch's schedulers leave open.

A scheduler is stepped once after each generator update, whichever network it is for. torch's own do as they are,
but for its plateau, which wants a metric at each step, and its chains, which cannot hold one (pytorch issue 68978).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol, get_args, runtime_checkable

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, ReduceLROnPlateau

from srlab.losses import Ramp
from srlab.mistakes import Mistake

Mode = Literal["max", "min"]
Shape = Literal["linear", "cosine"]


class Scheduler(Protocol):
    """Sets the learning rate of each group of an optimiser; torch's schedulers are such."""

    optimizer: Optimizer

    def step(self) -> None:
        """Set the rates that apply to the next update."""
        ...

    def get_last_lr(self) -> list[float | Tensor]:
        """Return the rates in force, one for each group."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run needs besides the optimiser's own state."""
        ...

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a state."""
        ...


@runtime_checkable
class Validated(Protocol):
    """What wants to know how validation went."""

    def validated(self, metrics: Mapping[str, float]) -> None:
        """Take note of the means of one validation, by name."""
        ...


class Plateau:
    """Multiplies the rates by `factor` when `monitor` has not improved for more than `patience` validations in a row.

    An improvement is one by more than `threshold`, in the metric's unit, in the sense of `mode`; NaN is none. After
    a reduction, `cooldown` validations are not counted. No rate falls below `min_lr` by it. torch's
    ``ReduceLROnPlateau`` decides; `step` changes nothing.
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
            raise Mistake(f"scheduler.factor is {factor}; it must lie between 0 and 1, as 0.5.")
        if min(patience, cooldown, threshold, min_lr) < 0:
            raise Mistake(
                f"scheduler.patience is {patience}, cooldown {cooldown}, threshold {threshold} and min_lr {min_lr}; "
                "none can be negative."
            )
        self.optimizer = optimiser
        self.monitor = monitor
        self._torchs = ReduceLROnPlateau(
            optimiser,
            mode=mode,
            factor=factor,
            patience=patience,
            cooldown=cooldown,
            threshold=threshold,
            threshold_mode="abs",  # a relative one takes a repeated negative value for an improvement
            min_lr=min_lr,
            eps=0.0,  # else rates of 1e-8 and less would never fall
        )

    def step(self) -> None:
        """Leave the rates as they are."""

    def validated(self, metrics: Mapping[str, float]) -> None:
        """Reduce the rates if it is time; a ``ValueError`` if validation does not report `monitor`."""
        if self.monitor not in metrics:
            raise Mistake(
                f"scheduler.monitor is {self.monitor!r}, which validation does not report; it reports "
                f"{', '.join(sorted(metrics))}."
            )
        self._torchs.step(metrics[self.monitor])

    def get_last_lr(self) -> list[float | Tensor]:
        """Return the rates in force, one for each group."""
        return self._torchs.get_last_lr()

    def state_dict(self) -> dict[str, Any]:
        """Return the best value and the counts."""
        return self._torchs.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a state."""
        self._torchs.load_state_dict(state_dict)


class Piecewise(LambdaLR):
    """Constant rates in between: the optimiser's own times `factors[i]` once `i` of the `milestones` are reached.

    Milestones count generator updates. Unlike a product of equal steps the rates may also rise again, as where a
    second phase of training begins.
    """

    def __init__(
        self, optimiser: Optimizer, /, *, milestones: Sequence[int], factors: Sequence[float]
    ) -> None:
        if (
            len(factors) != len(milestones) + 1
            or list(milestones) != sorted(set(milestones))
            or min(factors) < 0
        ):
            raise Mistake(
                f"scheduler.milestones are {list(milestones)} and scheduler.factors {list(factors)}; give rising "
                "numbers of generator updates, and one factor >= 0 more than milestones."
            )
        super().__init__(optimiser, lambda step: factors[bisect_right(milestones, step)])


class Warmup:
    """Lets the rates of another scheduler, `then`, rise from near zero over the first `steps` generator updates.

    With ``t = min(n / steps, 1)``, the n-th update, from 1, has ``then``'s own rate times t (linear; Goyal et al.
    2017, sec. 2.2) or ``(1 - cos πt) / 2`` (cosine). ``then`` counts from the first update, too, and any scheduler
    will do. With 0 steps there is no warm-up.
    """

    def __init__(
        self,
        optimiser: Optimizer,
        /,
        *,
        steps: int,
        shape: Shape,
        then: Callable[[Optimizer], Scheduler],
    ) -> None:
        if shape not in get_args(Shape):
            raise Mistake(
                f"scheduler.shape is {shape!r}; choose one of {', '.join(get_args(Shape))}."
            )
        if steps < 0:
            raise Mistake(f"scheduler.steps is {steps}; give a number of generator updates >= 0.")
        self.optimizer = optimiser
        self._ramp = Ramp(0, steps, shape)
        self._then = then(optimiser)
        self._done = 0
        self._scale()

    def step(self) -> None:
        """Set the rates that apply to the next update."""
        self._done += 1
        _set(
            self.optimizer, self._then.get_last_lr()
        )  # torch's schedulers go on from the rates they find
        self._then.step()
        self._scale()

    def validated(self, metrics: Mapping[str, float]) -> None:
        """Tell ``then``, if it wants to know."""
        if isinstance(self._then, Validated):
            _set(self.optimizer, self._then.get_last_lr())
            self._then.validated(metrics)
            self._scale()

    def get_last_lr(self) -> list[float | Tensor]:
        """Return the rates in force, one for each group."""
        share = self._ramp.share(self._done + 1)
        return [share * rate for rate in self._then.get_last_lr()]

    def state_dict(self) -> dict[str, Any]:
        """Return the count of updates and the state of ``then``."""
        return {"done": self._done, "then": self._then.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a state."""
        self._done = state_dict["done"]
        self._then.load_state_dict(state_dict["then"])

    def _scale(self) -> None:
        _set(self.optimizer, self.get_last_lr())


class Chained:
    """Has `first` set the rates of the first `steps` generator updates, and ``then`` those after them.

    Each counts its own updates from 0, and begins with the optimiser's rates. Any scheduler will do for either, another
    chain, too. What validation says reaches the one in force.
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
                f"scheduler.steps is {steps}; give the number of generator updates of the first, >= 1."
            )
        self.optimizer = optimiser
        self.steps = steps
        begin = _settings(optimiser)
        self._first = first(optimiser)
        of_first = _settings(optimiser)  # torch's schedulers keep notes there
        _restore(optimiser, begin)
        self._then = then(optimiser)
        self._of_then = _settings(optimiser)
        _restore(optimiser, of_first)
        self._done = 0

    @property
    def _part(self) -> Scheduler:
        return self._first if self._done < self.steps else self._then

    def step(self) -> None:
        """Set the rates that apply to the next update."""
        self._part.step()
        self._done += 1
        if self._done == self.steps:
            _restore(self.optimizer, self._of_then)

    def validated(self, metrics: Mapping[str, float]) -> None:
        """Tell the one in force, if it wants to know."""
        if isinstance(self._part, Validated):
            self._part.validated(metrics)

    def get_last_lr(self) -> list[float | Tensor]:
        """Return the rates in force, one for each group."""
        return self._part.get_last_lr()

    def state_dict(self) -> dict[str, Any]:
        """Return the count of updates and the state of both."""
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
    return [
        {name: value for name, value in group.items() if name != "params"}
        for group in optimiser.param_groups
    ]


def _restore(optimiser: Optimizer, settings: Sequence[Mapping[str, Any]]) -> None:
    for group, values in zip(optimiser.param_groups, settings, strict=True):
        for name in group.keys() - values.keys() - {"params"}:
            del group[name]
        group.update(values)


def _set(optimiser: Optimizer, rates: Sequence[float | Tensor]) -> None:
    for group, rate in zip(optimiser.param_groups, rates, strict=True):
        group["lr"] = rate
