"""Building of the Lightning objects of a run: its trainer and its DataModule."""

from __future__ import annotations

import torch
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from lightning import LightningDataModule, Trainer, seed_everything
from lightning.pytorch.strategies.launchers import _SubprocessScriptLauncher
from omegaconf import DictConfig

from srlab.cli.building import built, named
from srlab.cli.consistency import monitors
from srlab.data import Source
from srlab.mistakes import Mistake
from srlab.training.callbacks import Checkpoints
from srlab.training.rehearsal import Rehearsal


def trainer(config: DictConfig) -> Trainer:
    """Build Lightning's trainer with its callbacks and loggers.

    Raises a `Mistake` for settings that cannot work together.
    """
    callbacks, loggers = [*named(config.callbacks).values()], [*named(config.logger).values()]
    if not any(isinstance(callback, Checkpoints) for callback in callbacks):
        raise Mistake(
            "callbacks has no checkpoints, so that the run would keep nothing; list default, too: "
            "callbacks=[default,early_stopping]."
        )
    callbacks = [Rehearsal(monitors(config)), *callbacks]
    seed_everything(config.seed, verbose=False)  # for the processes that Lightning starts, too
    trainer: Trainer = built(config.trainer, callbacks=callbacks, logger=loggers)
    # Deterministic mode would fill new memory with NaN to find bugs, at a quarter of a step's time.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    if config.trainer.sync_batchnorm and trainer.strategy.root_device.type == "cpu":
        raise Mistake("trainer.sync_batchnorm=true works on GPUs alone; leave it out on a CPU.")
    if sweeping() and _starts_processes(trainer):
        raise Mistake(
            f"a sweep cannot run on {trainer.world_size} devices in this way, since each further "
            "process would run the sweep again: start it by torchrun or in SLURM, or give "
            "trainer.devices=1."
        )
    return trainer


def _starts_processes(trainer: Trainer) -> bool:
    """Whether Lightning starts further processes, with this one's command line."""
    launcher = trainer.strategy.launcher
    if trainer.world_size == 1 or not isinstance(launcher, _SubprocessScriptLauncher):
        return False
    return not launcher.cluster_environment.creates_processes_externally


def loader(config: DictConfig, data: Source) -> LightningDataModule:
    """Build the DataModule of a source."""
    module: LightningDataModule = built(config.loader)(data)
    return module


def sweeping() -> bool:
    """Whether this run is one of a sweep."""
    return HydraConfig.get().mode == RunMode.MULTIRUN
