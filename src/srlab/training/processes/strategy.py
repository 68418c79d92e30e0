"""How Lightning lays a run on processes."""

from __future__ import annotations

from lightning import Trainer
from lightning.pytorch.strategies import (
    DDPStrategy,
    DeepSpeedStrategy,
    SingleDeviceStrategy,
    Strategy,
)

from srlab.mistakes import Mistake


def check_strategy(strategy: Strategy) -> None:
    """Raise a `Mistake` if processes do not train two networks in turns by it."""
    known = isinstance(strategy, DDPStrategy | SingleDeviceStrategy)
    if not known or isinstance(strategy, DeepSpeedStrategy):
        raise Mistake(
            f"trainer.strategy is {type(strategy).__name__}, which does not train two networks in "
            "turns; choose trainer=ddp for several devices."
        )


def is_child(trainer: Trainer) -> bool:
    """Whether Lightning's first process started this one.

    The first one is killed if a child fails before it ends.
    """
    environment = getattr(trainer.strategy, "cluster_environment", None)
    if environment is None or trainer.is_global_zero:
        return False
    return not environment.creates_processes_externally
