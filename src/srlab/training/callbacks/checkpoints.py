"""Checkpoints and bundles on disk."""

from __future__ import annotations

import math
import os
import shutil
from pathlib import Path
from typing import Any, Literal

from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn

from srlab.training.module import GAN


class Checkpoints(Callback):
    """Keeps `checkpoints/last.ckpt`, `checkpoints/best.ckpt` and `model.safetensors` in a run's folder.

    The last checkpoint is written every `every` steps, after each validation and at the end; where it falls together
    with a validation it is written after it. The best is the one with the best `monitor`, in the sense of `mode`. The
    bundle is written at every best and, finally, from the last weights. Files are replaced only by complete ones.
    """

    def __init__(self, *, folder: str, every: int, monitor: str, mode: Literal["max", "min"]) -> None:
        if every < 1 or mode not in ("max", "min"):
            raise ValueError(f"checkpoints got every={every}, mode={mode!r}; give every >= 1 and mode 'max' or 'min'.")
        self.folder = Path(folder)
        self.every = every
        self.monitor = monitor
        self.mode = mode
        self.best: float | None = None

    def state_dict(self) -> dict[str, Any]:
        """The best value so far."""
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from the best value of a checkpoint."""
        self.best = state_dict["best"]

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: object) -> None:
        """Write the last checkpoint when it is due and no validation follows at this step."""
        step = trainer.global_step
        ends = step >= trainer.max_steps
        if ends:
            trainer.should_stop = True  # so that Lightning validates once more, and the last step has its scores
        cadence = trainer.val_check_batch
        if trainer.enable_validation and (ends or (cadence and step % cadence == 0)):
            return
        if ends or step % self.every == 0:
            self._write_last(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the last checkpoint, and the best if this is it."""
        if trainer.sanity_checking or trainer.state.fn != TrainerFn.FITTING:
            return
        improved = self._improved(trainer)
        self._write_last(trainer)
        if improved and trainer.is_global_zero:
            assert isinstance(pl_module, GAN)
            copy = self._path(".best.ckpt.partial")
            shutil.copyfile(self._path("last.ckpt"), copy)
            os.replace(copy, self._path("best.ckpt"))
            pl_module.super_resolver().save(self.folder / "model.safetensors")

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the bundle of the finished run."""
        if trainer.is_global_zero:
            assert isinstance(pl_module, GAN)
            pl_module.super_resolver().save(self.folder / "model.safetensors")

    def _improved(self, trainer: Trainer) -> bool:
        if self.monitor not in trainer.callback_metrics:
            raise ValueError(
                f"checkpoints monitor {self.monitor!r}, which validation does not report; it reports "
                f"{', '.join(sorted(trainer.callback_metrics))}."
            )
        value = float(trainer.callback_metrics[self.monitor])
        if math.isnan(value) or (self.best is not None and not self._better(value, self.best)):
            return False
        self.best = value
        return True

    def _better(self, value: float, than: float) -> bool:
        return value > than if self.mode == "max" else value < than

    def _write_last(self, trainer: Trainer) -> None:
        for logger in trainer.loggers:
            logger.save()  # curves on disk reach at least as far as the checkpoint that a run resumes from
        unfinished = self._path(".last.ckpt.partial")
        trainer.save_checkpoint(unfinished)
        if trainer.is_global_zero:
            os.replace(unfinished, self._path("last.ckpt"))

    def _path(self, name: str) -> Path:
        return self.folder / "checkpoints" / name
