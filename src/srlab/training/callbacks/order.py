"""The order of callbacks and validations after an update."""

from __future__ import annotations

from typing import Any

from lightning import Callback, Trainer


def act_last(callback: Callback, trainer: Any) -> None:
    """Make `callback` the last of the trainer's callbacks."""
    others = [other for other in trainer.callbacks if other is not callback]
    # The list is a new one, since Lightning is iterating over the old one.
    trainer.callbacks = [*others, callback]


def validation_follows(trainer: Trainer) -> bool:
    """Return whether Lightning validates after the update that it has just done."""
    interval = trainer.val_check_batch
    due = interval is not None and trainer.global_step % interval == 0
    return trainer.enable_validation and (due or trainer.should_stop)
