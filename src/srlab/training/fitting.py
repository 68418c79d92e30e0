"""Fitting: a training run from its first step to the record of how it ended."""

from __future__ import annotations

import logging
from pathlib import Path

from lightning import Callback, LightningDataModule, Trainer
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import EarlyStopping
from torch import nn

from srlab.mistakes import Diverged, Mistake
from srlab.training.callbacks.checkpoints import checkpoints_of
from srlab.training.module import GAN
from srlab.training.processes.strategy import is_child
from srlab.training.status import STATUS, Outcome, Status

log = logging.getLogger(__name__)

FINITE = 1e9
"""The largest value that a sweep gets; a run that diverged counts as this or as its negative."""


def fit(
    trainer: Trainer,
    module: GAN,
    data: LightningDataModule,
    *,
    folder: Path,
    checkpoint: str | None,
) -> Status | None:
    """Train, and write and return the status; None if the run was interrupted and can be resumed.

    `folder` is the run's folder, and `checkpoint` the file to resume from. If the run diverges, the
    status is written before the `Diverged` is raised.

    Raises a `Mistake` for settings that Lightning refuses, or if a loader worker was killed.
    """
    if trainer.is_global_zero:
        (folder / STATUS).unlink(missing_ok=True)
        log.info("training %s in %s", _described(module), folder)

    try:
        trainer.fit(module, datamodule=data, ckpt_path=checkpoint, weights_only=True)
    except SystemExit as stop:
        if stop.code != 1:  # Lightning exits with 1 after Ctrl-C.
            raise
        _log_how_to_resume(folder)
        raise KeyboardInterrupt from None
    except MisconfigurationException as error:
        raise Mistake(" ".join(str(error).split())) from error
    except RuntimeError as error:
        _refuse_lost_worker(error, folder)
        raise
    except Diverged as error:
        _write(trainer, folder, _status(trainer, "diverged"))
        if is_child(trainer):  # The first process shows the message.
            raise SystemExit(0) from error
        raise

    status = _ended(trainer)
    _write(trainer, folder, status)
    return status


def _refuse_lost_worker(error: RuntimeError, folder: Path) -> None:
    """Raise a `Mistake` if PyTorch reports by this error that a loader worker was killed."""
    if not str(error).startswith("DataLoader worker (pid"):
        return
    _log_how_to_resume(folder)
    report = " ".join(str(error).split())
    raise Mistake(
        f"a process that loads data was killed ({report[:80]}). The system does so when memory "
        "runs out; lower loader.num_workers, loader.batch_size or crop_size."
    ) from error


def best_value(trainer: Trainer) -> float | None:
    """Return the best monitored value of the run; None if no validation reported one."""
    return checkpoints_of(trainer).best


def compared_value(trainer: Trainer, value: float | None) -> float:
    """Return the value by which a sweep compares the run: finite, and the worst one for None.

    Optuna counts a trial that returns NaN as failed.
    """
    checkpoints = checkpoints_of(trainer)
    if value is not None:
        return max(-FINITE, min(value, FINITE))
    worst = -FINITE if checkpoints.mode == "max" else FINITE
    log.warning(
        "this run counts in the sweep as the worst value of %s, %g", checkpoints.monitor, worst
    )
    return worst


def _ended(trainer: Trainer) -> Status | None:
    """Return the status of a run that has ended; None if a callback only interrupted it."""
    if trainer.global_step >= trainer.max_steps:
        return _status(trainer, "completed")
    for callback in _callbacks(trainer):
        if isinstance(callback, EarlyStopping) and callback.stopping_reason.value:
            return _status(trainer, "stopped early")
    return None


def _status(trainer: Trainer, outcome: Outcome) -> Status:
    checkpoints = checkpoints_of(trainer)
    return Status(
        status=outcome,
        step=trainer.global_step,
        best=checkpoints.best,
        monitor=checkpoints.monitor,
    )


def _write(trainer: Trainer, folder: Path, status: Status | None) -> None:
    """Write and log the status, on the first process; without one, log how to resume."""
    if not trainer.is_global_zero:
        return
    if status is None:
        _log_how_to_resume(folder)
        return
    status.write(folder)
    if status.status == "diverged":
        log.info("%s in %s", status, folder)
    else:
        log.info("done: %s; model.safetensors is in %s", status, folder)


def _log_how_to_resume(folder: Path) -> None:
    if (folder / "checkpoints" / "last.ckpt").is_file():
        log.info("stopped; continue with resume=last hydra.run.dir=%s", folder)


def _callbacks(trainer: Trainer) -> list[Callback]:
    return trainer.callbacks  # type: ignore[attr-defined, no-any-return]


def _described(module: GAN) -> str:
    """Describe the networks of a run, for the log."""
    scale = "×".join(str(factor) for factor in module.card.scale)
    text = f"{_size(module.generator)} at scale {scale}"
    if module.discriminator is not None:
        text += f" against {_size(module.discriminator)}"
    return text


def _size(network: nn.Module) -> str:
    millions = sum(parameter.numel() for parameter in network.parameters()) / 1e6
    return f"{type(network).__name__} ({millions:.2f} M parameters)"
