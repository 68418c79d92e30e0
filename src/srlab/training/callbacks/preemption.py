"""Preemption: a run saves a checkpoint and stops when it is told that its machine is taken away."""

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
"""The exit code of a run that was told to stop, by the convention of shells."""


class Preemption(Callback):
    """Ends a run after SIGTERM or SIGUSR1, with a checkpoint and exit code 143.

    Batch systems send these signals before they take a machine away. SLURM sends them on
    preemption, or by ``sbatch --signal``. The current step is finished first, and so is a
    validation that is due or running. If there is no time for that, the run can be resumed from
    the earlier checkpoint. A run at its last step ends as usual.

    As soon as one process has received a signal, all processes stop at the same step. They agree on
    this on the host, so that no step waits for a device. This callback acts after `Checkpoints`.

    During training it replaces Lightning's own signal handlers. Those would end a run in the middle
    of a validation, and on SLURM save in the middle of a step.
    """

    def __init__(self) -> None:
        self._told = False
        self._hosts: Any = None
        """The group by which several processes agree; None for a single process."""

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Become the last callback."""
        act_last(self, trainer)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Install the signal handlers; Lightning restores the earlier ones at the end."""
        connector = trainer._signal_connector
        self._told = connector.received_sigterm
        connector.received_sigterm = False
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGUSR1):
                signal.signal(number, self._tell)
        if trainer.world_size > 1:
            self._hosts = distributed.new_group(backend="gloo")

    def _tell(self, *_: object) -> None:
        self._told = True

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: object) -> None:
        """Write a checkpoint and stop, unless a validation follows or the run ends anyway."""
        if self._any_told() and not validation_follows(trainer) and not trainer.should_stop:
            checkpoints_of(trainer).write(trainer, pl_module)
            self._stop(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop, unless the run ends anyway; `Checkpoints` has written the checkpoint."""
        if trainer.sanity_checking or trainer.state.fn != TrainerFn.FITTING:
            return
        if self._any_told() and not trainer.should_stop:
            self._stop(trainer)

    def _any_told(self) -> bool:
        """Return whether any process has received a signal; all processes must call this."""
        if self._hosts is None:
            return self._told
        told = torch.tensor(int(self._told))
        distributed.all_reduce(told, op=distributed.ReduceOp.MAX, group=self._hosts)
        return bool(told)

    def _stop(self, trainer: Trainer) -> None:
        if is_child(trainer):  # The first process ends with the exit code.
            raise SystemExit(0)
        if trainer.is_global_zero:
            log.info(
                "told to stop after %d steps; continue with resume=last hydra.run.dir=%s",
                trainer.global_step,
                checkpoints_of(trainer).folder,
            )
        raise SystemExit(TERMINATED)
