"""The interface of schedulers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from torch import Tensor
from torch.optim import Optimizer


class Scheduler(Protocol):
    """Sets the learning rate of each parameter group of an optimiser, as torch's schedulers do."""

    optimizer: Optimizer

    def step(self) -> None:
        """Set the rates of the next update."""
        ...

    def get_last_lr(self) -> list[float | Tensor]:
        """Return the current rate of each group."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Return the state that a resumed run needs besides the optimiser's own."""
        ...

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from a state that `state_dict` returned."""
        ...


@runtime_checkable
class Validated(Protocol):
    """A scheduler that depends on the scores of validations."""

    def validated(self, metrics: Mapping[str, float]) -> None:
        """Receive the mean scores of a validation, by name."""
        ...
