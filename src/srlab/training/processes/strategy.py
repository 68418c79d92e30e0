"""Lightning's strategy: the way in which a run is distributed over processes."""

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
    """Raise a `Mistake` for a strategy that cannot train two networks in turns."""
    known = isinstance(strategy, DDPStrategy | SingleDeviceStrategy)
    if not known or isinstance(strategy, DeepSpeedStrategy):
        raise Mistake(
            f"trainer.strategy is {type(strategy).__name__}, which cannot train two networks in "
            "turns; choose trainer=ddp for several devices."
        )


def is_child(trainer: Trainer) -> bool:
    """Return whether Lightning's first process started this one.

    If a child fails while the first process still runs, Lightning kills the first process.
    """
    environment = getattr(trainer.strategy, "cluster_environment", None)
    if environment is None or trainer.is_global_zero:
        return False
    return not environment.creates_processes_externally
