"""Checkpoints and bundles on disk."""

from __future__ import annotations

import math
import os
import shutil
from pathlib import Path
from typing import Any, Literal

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch.trainer.states import TrainerFn

from srlab.mistakes import FailedWrite, Mistake
from srlab.models.bundle import load_checkpoint
from srlab.training.module import GAN


class Checkpoints(Callback):
    """Keeps `checkpoints/last.ckpt`, the best checkpoints and `model.safetensors` in a run's folder.

    The last is written every `every` steps, after each validation and at the end; where it falls together with a
    validation it is written after it. The `keep` best by `monitor`, in the sense of `mode`, are `best.ckpt`,
    `best_2.ckpt` and so on by rank. The bundle is written at every best and, finally, from the last weights. Files
    are replaced only by complete ones, and the last checkpoint after the others of its step: a run killed in between
    goes on before that step, and finds the ranks of that time again. This callback acts after all others, so that
    what they did at a step is in its checkpoint.
    """

    def __init__(
        self, *, folder: str, every: int, monitor: str, mode: Literal["max", "min"], keep: int = 1
    ) -> None:
        if min(every, keep) < 1 or mode not in ("max", "min"):
            raise Mistake(
                f"checkpoints got every={every}, keep={keep}, mode={mode!r}; give every and keep >= 1 and mode 'max' "
                "or 'min'."
            )
        self.folder = Path(folder)
        self.every = every
        self.monitor = monitor
        self.mode = mode
        self.keep = keep
        self.kept: list[tuple[float, int]] = []

    @property
    def best(self) -> float | None:
        """The best value so far."""
        return self.kept[0][0] if self.kept else None

    def state_dict(self) -> dict[str, Any]:
        """The values and steps of the best checkpoints by rank."""
        return {"kept": [list(entry) for entry in self.kept]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from the ranks of a checkpoint."""
        self.kept = [(value, step) for value, step in state_dict["kept"]]

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Move behind the other callbacks."""
        trainer.callbacks = [*(other for other in trainer.callbacks if other is not self), self]  # type: ignore[attr-defined]
        trainer.strategy.checkpoint_io = _Durable()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Give files the ranks that they had at the checkpoint from which the run goes on."""
        if trainer.is_global_zero:
            self._restore_ranks()

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: object) -> None:
        """Write the last checkpoint when it is due and no validation follows at this step."""
        if trainer.global_step >= trainer.max_steps:
            trainer.should_stop = (
                True  # so that Lightning validates once more, and the last step has its scores
            )
        if not validation_follows(trainer) and (
            trainer.should_stop or trainer.global_step % self.every == 0
        ):
            self.write(trainer, pl_module)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the last checkpoint, and keep it if it is among the best."""
        if not trainer.sanity_checking and trainer.state.fn == TrainerFn.FITTING:
            self.write(trainer, pl_module, rank=self._rank(trainer))

    def write(
        self, trainer: Trainer, pl_module: LightningModule, *, rank: int | None = None
    ) -> None:
        """Write the last checkpoint, which has that rank, from 0, among the best; on all processes."""
        assert isinstance(pl_module, GAN)
        for logger in trainer.loggers:
            logger.save()  # curves on disk reach at least as far as the checkpoint that a run resumes from
        unfinished = self._path(".last.ckpt.partial")
        trainer.save_checkpoint(unfinished)
        if not trainer.is_global_zero:
            return
        if rank is not None:
            self._insert(unfinished, rank)
        if rank == 0 or trainer.should_stop:
            pl_module.super_resolver().save(self.folder / "model.safetensors")
        os.replace(unfinished, self._path("last.ckpt"))
        self._dropped.unlink(missing_ok=True)

    def _rank(self, trainer: Trainer) -> int | None:
        """Enter the validation's value among the best; None if it is none of them."""
        if self.monitor not in trainer.callback_metrics:
            raise Mistake(
                f"checkpoints monitor {self.monitor!r}, which validation does not report; it reports "
                f"{', '.join(sorted(trainer.callback_metrics))}."
            )
        value = float(trainer.callback_metrics[self.monitor])
        rank = sum(not self._better(value, other) for other, _ in self.kept)
        if not math.isfinite(value) or rank >= self.keep:
            return None
        self.kept = [*self.kept[:rank], (value, trainer.global_step), *self.kept[rank:]][
            : self.keep
        ]
        return rank

    def _better(self, value: float, than: float) -> bool:
        return value > than if self.mode == "max" else value < than

    def _insert(self, checkpoint: Path, rank: int) -> None:
        """Move the files from a rank on to the next, from the worst on: so none is ever gone."""
        if self._best(self.keep - 1).is_file():
            _link(self._best(self.keep - 1), self._dropped)
        for position in reversed(range(rank + 1, len(self.kept))):
            _link(self._best(position - 1), self._best(position))
        _link(checkpoint, self._best(rank))

    def _restore_ranks(self) -> None:
        """Undo what `_insert` did after the checkpoint: files have only moved down, so none is in another's way."""
        found: dict[int, Path] = {}
        for path in (*(self._best(rank) for rank in range(self.keep)), self._dropped):
            if path.is_file():
                found.setdefault(load_checkpoint(path)["global_step"], path)
        for rank in range(self.keep):
            source = found.get(self.kept[rank][1]) if rank < len(self.kept) else None
            if source is None:
                self._best(rank).unlink(missing_ok=True)
            elif source != self._best(rank):
                _link(source, self._best(rank))
        self._dropped.unlink(missing_ok=True)

    @property
    def _dropped(self) -> Path:
        """What fell out of the best, until the last checkpoint knows it."""
        return self._path(".dropped.ckpt")

    def _best(self, rank: int) -> Path:
        return self._path("best.ckpt" if rank == 0 else f"best_{rank + 1}.ckpt")

    def _path(self, name: str) -> Path:
        return self.folder / "checkpoints" / name


def validation_follows(trainer: Trainer) -> bool:
    """Whether Lightning validates after the update that it has just done."""
    cadence = trainer.val_check_batch
    due = cadence is not None and trainer.global_step % cadence == 0
    return trainer.enable_validation and (due or trainer.should_stop)


class _Durable(TorchCheckpointIO):
    """Writes checkpoints where they belong and onto the disk itself, as Lightning does not.

    A rename outlives a kill, but after a loss of power it may have come before the data. The folder is not synced:
    its former state is a good checkpoint, too.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: object = None
    ) -> None:
        """Write and wait for the disk."""
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).unlink(
            missing_ok=True
        )  # what a kill left may be the same file as one of the best
        try:
            with Path(path).open("wb") as file:
                torch.save(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())
        except (OSError, RuntimeError) as error:  # torch tells of a full disk by a RuntimeError
            Path(path).unlink(missing_ok=True)
            raise FailedWrite(
                f"a checkpoint could not be written to {Path(path).parent}: {' '.join(str(error).split())}. If the "
                "disk is full, make room; the checkpoints before are whole, and resume=last goes on from there."
            ) from error


def _link(source: Path, target: Path) -> None:
    """Let `target` be the file `source`, too, in one move; without a source there is no target."""
    if not source.is_file():
        target.unlink(missing_ok=True)
        return
    unfinished = target.with_name(f".{target.name}.partial")
    unfinished.unlink(missing_ok=True)
    try:
        os.link(source, unfinished)
    except OSError:  # a file system without hard links
        shutil.copyfile(source, unfinished)
    os.replace(unfinished, target)
