"""The order of events after an update."""

from __future__ import annotations

from typing import Any

from lightning import Callback, Trainer


def act_last(callback: Callback, trainer: Any) -> None:
    """Move `callback` behind the trainer's other callbacks."""
    others = [other for other in trainer.callbacks if other is not callback]
    trainer.callbacks = [*others, callback]  # a new list: Lightning is going through the old one


def validation_follows(trainer: Trainer) -> bool:
    """Whether Lightning validates after the update that it has just done."""
    cadence = trainer.val_check_batch
    due = cadence is not None and trainer.global_step % cadence == 0
    return trainer.enable_validation and (due or trainer.should_stop)
