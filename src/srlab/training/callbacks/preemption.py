"""A stop when the machine is taken away."""

from __future__ import annotations

import logging
import signal
import threading
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn
from torch import distributed

from srlab.training.callbacks.checkpoints import checkpoints_of
from srlab.training.callbacks.order import act_last, validation_follows
from srlab.training.processes.strategy import is_child

log = logging.getLogger(__name__)

TERMINATED = 128 + signal.SIGTERM
"""The exit code of a run that was told to stop, by the shells' convention."""


class Preemption(Callback):
    """Ends a run after SIGTERM or SIGUSR1, with a checkpoint and exit code 143.

    Batch systems send these before they take a machine away: SLURM on preemption, or by ``sbatch
    --signal``. The step in hand is finished first, and so is a validation that is due or under way.
    If the time does not suffice for it, the run goes on from the checkpoint before. A run at its
    last step ends as usual.

    All processes stop at the same step as soon as one was told. They agree on the host, so that no
    step waits for a device. This callback acts after `Checkpoints`.

    Lightning's own handlers are put aside during training: they end a run within a validation,
    and on SLURM save within a step.
    """

    def __init__(self) -> None:
        self._told = False
        self._hosts: Any = None  # a group of processes, if there are several

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Move behind the other callbacks."""
        act_last(self, trainer)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Install the signal handlers; Lightning restores the earlier ones at the end."""
        connector = trainer._signal_connector
        self._told, connector.received_sigterm = connector.received_sigterm, False
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGUSR1):
                signal.signal(number, self._tell)
        if trainer.world_size > 1:
            self._hosts = distributed.new_group(backend="gloo")

    def _tell(self, *_: object) -> None:
        self._told = True

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: object) -> None:
        """Stop, unless a validation follows or the run ends anyway."""
        if self._agreed() and not validation_follows(trainer) and not trainer.should_stop:
            checkpoints_of(trainer).write(trainer, pl_module)
            self._stop(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop, unless the run ends anyway; the checkpoint is written."""
        if trainer.sanity_checking or trainer.state.fn != TrainerFn.FITTING:
            return
        if self._agreed() and not trainer.should_stop:
            self._stop(trainer)

    def _agreed(self) -> bool:
        """Whether any process has received a signal."""
        if self._hosts is None:
            return self._told
        told = torch.tensor(int(self._told))
        distributed.all_reduce(told, op=distributed.ReduceOp.MAX, group=self._hosts)
        return bool(told)

    def _stop(self, trainer: Trainer) -> None:
        if is_child(trainer):  # Lightning's first process ends by itself, and with the code
            raise SystemExit(0)
        if trainer.is_global_zero:
            log.info(
                "told to stop after %d steps; go on with resume=last hydra.run.dir=%s",
                trainer.global_step,
                checkpoints_of(trainer).folder,
            )
        raise SystemExit(TERMINATED)
