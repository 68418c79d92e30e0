"""Checkpoints and bundles on disk."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn

from srlab.mistakes import Mistake
from srlab.models.bundle import load_checkpoint
from srlab.training.callbacks.durable import DurableIO, link
from srlab.training.callbacks.order import act_last, validation_follows

if TYPE_CHECKING:
    from srlab.training.module import GAN


class Checkpoints(Callback):
    """Keeps `checkpoints/last.ckpt`, the best checkpoints and `model.safetensors` of a run.

    The last checkpoint is written every `every` steps, after each validation and at the end. At a
    step with a validation it is written after the validation. The `keep` best checkpoints by the
    value of `monitor` are `best.ckpt`, `best_2.ckpt` and so on; `mode` says whether the largest or
    the smallest value is best. The bundle is written at each new best, and from the last weights at
    the end.

    A file is replaced only when its successor is complete, and `last.ckpt` is replaced after the
    other files of its step. A run that is killed in between resumes from the previous `last.ckpt`
    and restores the ranking of that time. This callback runs after all others, so a checkpoint
    includes their state after its step.
    """

    def __init__(
        self, *, folder: str, every: int, monitor: str, mode: Literal["max", "min"], keep: int = 1
    ) -> None:
        if min(every, keep) < 1 or mode not in ("max", "min"):
            raise Mistake(
                f"checkpoints got every={every}, keep={keep}, mode={mode!r}; give every and "
                "keep >= 1 and mode 'max' or 'min'."
            )
        self.folder = Path(folder)
        self.every = every
        self.monitor = monitor
        self.mode = mode
        self.keep = keep
        self.kept: list[tuple[float, int]] = []
        """Values and steps of the best checkpoints, by rank."""

    @property
    def best(self) -> float | None:
        """The best value so far; None before the first."""
        return self.kept[0][0] if self.kept else None

    def state_dict(self) -> dict[str, Any]:
        """Return the values and steps of the best checkpoints, by rank."""
        return {"kept": [list(entry) for entry in self.kept]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from the ranks of a checkpoint."""
        self.kept = [(value, step) for value, step in state_dict["kept"]]

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Move behind the other callbacks."""
        act_last(self, trainer)
        trainer.strategy.checkpoint_io = DurableIO()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Give files the ranks that they had at the checkpoint from which the run goes on."""
        if trainer.is_global_zero:
            self._restore_ranks()

    def on_train_batch_end(self, trainer: Trainer, pl_module: GAN | Any, *_: object) -> None:
        """Write the last checkpoint when it is due and no validation follows at this step."""
        if trainer.global_step >= trainer.max_steps:
            trainer.should_stop = True  # Lightning then validates once more, at the last step
        due = trainer.should_stop or trainer.global_step % self.every == 0
        if due and not validation_follows(trainer):
            self.write(trainer, pl_module)

    def on_validation_end(self, trainer: Trainer, pl_module: GAN | Any) -> None:
        """Write the last checkpoint, and keep it if it is among the best."""
        if not trainer.sanity_checking and trainer.state.fn == TrainerFn.FITTING:
            self.write(trainer, pl_module, rank=self._rank(trainer))

    def write(self, trainer: Trainer, pl_module: GAN | Any, *, rank: int | None = None) -> None:
        """Write the last checkpoint; all processes must call this.

        `rank` is its rank among the best, from 0; None if it is none of them.
        """
        for logger in trainer.loggers:
            logger.save()  # a run must not resume from a step that its curves do not reach
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
        """Insert the validation's value into the best; return its rank, or None if it has none."""
        if self.monitor not in trainer.callback_metrics:
            raise Mistake(
                f"checkpoints monitor {self.monitor!r}, which validation does not report; it "
                f"reports {', '.join(sorted(trainer.callback_metrics))}."
            )
        value = float(trainer.callback_metrics[self.monitor])
        sign = {"max": 1, "min": -1}[self.mode]
        rank = sum(sign * value <= sign * other for other, _ in self.kept)
        # Infinite in the good sense is the PSNR of views that are all exact.
        if math.isnan(value) or sign * value == -math.inf or rank >= self.keep:
            return None
        self.kept.insert(rank, (value, trainer.global_step))
        del self.kept[self.keep :]
        return rank

    def _insert(self, checkpoint: Path, rank: int) -> None:
        """Move the files from `rank` on down by one, worst first, so that no file is ever lost."""
        if self._best(self.keep - 1).is_file():
            link(self._best(self.keep - 1), self._dropped)
        for position in reversed(range(rank + 1, len(self.kept))):
            link(self._best(position - 1), self._best(position))
        link(checkpoint, self._best(rank))

    def _restore_ranks(self) -> None:
        """Undo what `_insert` did after the checkpoint from which the run goes on.

        Since then files have only moved down. So they move up from the best rank on, and none
        overwrites another that is still needed.
        """
        paths = [self._best(rank) for rank in range(self.keep)]
        found: dict[int, Path] = {}
        for path in [*paths, self._dropped]:
            if path.is_file():
                found.setdefault(load_checkpoint(path)["global_step"], path)
        for path, (_, step) in zip(paths, self.kept, strict=False):
            source = found.get(step)
            if source is None:
                path.unlink(missing_ok=True)
            elif source != path:
                link(source, path)
        for path in paths[len(self.kept) :]:
            path.unlink(missing_ok=True)
        self._dropped.unlink(missing_ok=True)

    @property
    def _dropped(self) -> Path:
        """The checkpoint that fell out of the best, until the last checkpoint knows of it."""
        return self._path(".dropped.ckpt")

    def _best(self, rank: int) -> Path:
        return self._path("best.ckpt" if rank == 0 else f"best_{rank + 1}.ckpt")

    def _path(self, name: str) -> Path:
        return self.folder / "checkpoints" / name


def checkpoints_of(trainer: Any) -> Checkpoints:
    """The callback that keeps a run's checkpoints."""
    return next(each for each in trainer.callbacks if isinstance(each, Checkpoints))
