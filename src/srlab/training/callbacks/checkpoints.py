"""Checkpoints: the files of a run from which it can be resumed, and its bundle."""

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
    """Keeps the last checkpoint, the best checkpoints and the bundle `model.safetensors` of a run.

    `checkpoints/last.ckpt` is written every `every` steps, after each validation and at the end. At
    a step with a validation, it is written once, after the validation. The `keep` best checkpoints
    by the value of `monitor` are `best.ckpt`, `best_2.ckpt` and so on. `mode` says whether the
    largest or the smallest value is best. The bundle is written at each new best value, and at the
    end from the last weights.

    A file is replaced only when the new one is complete, and `last.ckpt` is replaced after the
    other files of its step. If a run is killed in between, it is resumed from the earlier
    `last.ckpt`, and the best checkpoints of that step get their ranks back. This callback runs
    after all others, so a checkpoint contains their state after its step.

    Raises a `Mistake` if a number is below 1, or for another mode.
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
        """The value and the step of each of the best checkpoints, the best one first."""

    @property
    def best(self) -> float | None:
        """The best value so far; None if there is none yet."""
        if not self.kept:
            return None
        value, _ = self.kept[0]
        return value

    def state_dict(self) -> dict[str, Any]:
        """Return the values and steps of the best checkpoints, the best one first."""
        return {"kept": [list(entry) for entry in self.kept]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue with the best checkpoints that `state_dict` returned."""
        self.kept = [(value, step) for value, step in state_dict["kept"]]

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Become the last callback, and let Lightning write checkpoints durably."""
        act_last(self, trainer)
        trainer.strategy.checkpoint_io = DurableIO()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Give the files of a resumed run the ranks that they had at its checkpoint."""
        if trainer.is_global_zero:
            self._restore_ranks()

    def on_train_batch_end(self, trainer: Trainer, pl_module: GAN | Any, *_: object) -> None:
        """Write the last checkpoint if it is due and no validation follows at this step."""
        if trainer.global_step >= trainer.max_steps:
            trainer.should_stop = True  # Lightning then validates once more, at the last step.
        due = trainer.should_stop or trainer.global_step % self.every == 0
        if due and not validation_follows(trainer):
            self.write(trainer, pl_module)

    def on_validation_end(self, trainer: Trainer, pl_module: GAN | Any) -> None:
        """Write the last checkpoint, and keep it as well if it is among the best."""
        if trainer.sanity_checking or trainer.state.fn != TrainerFn.FITTING:
            return
        rank = self._ranked(trainer)
        self.write(trainer, pl_module, rank=rank)

    def write(self, trainer: Trainer, pl_module: GAN | Any, *, rank: int | None = None) -> None:
        """Write the last checkpoint; all processes must call this.

        `rank` is its rank among the best, from 0; None if it is not among them.
        """
        # The curves must reach the step from which a run is resumed.
        for logger in trainer.loggers:
            logger.save()

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

    def _ranked(self, trainer: Trainer) -> int | None:
        """Note the value of this validation in `kept` if it is among the best.

        The result is its rank, from 0, or None.
        """
        if self.monitor not in trainer.callback_metrics:
            raise Mistake(
                f"checkpoints monitor {self.monitor!r}, which validation does not report; it "
                f"reports {', '.join(sorted(trainer.callback_metrics))}."
            )

        value = float(trainer.callback_metrics[self.monitor])
        sign = {"max": 1, "min": -1}[self.mode]
        rank = sum(sign * value <= sign * other for other, _ in self.kept)
        # The best infinity is allowed: the PSNR is infinite if SR equals HR in all views.
        is_worst = math.isnan(value) or sign * value == -math.inf
        if is_worst or rank >= self.keep:
            return None
        self.kept.insert(rank, (value, trainer.global_step))
        del self.kept[self.keep :]
        return rank

    def _insert(self, checkpoint: Path, rank: int) -> None:
        """Give a checkpoint its `rank`, and move the files from that rank on down by one.

        The worst file moves first, so that no file is lost if the process is killed.
        """
        worst = self._best(self.keep - 1)
        if worst.is_file():
            link(worst, self._dropped)
        for position in reversed(range(rank + 1, len(self.kept))):
            link(self._best(position - 1), self._best(position))
        link(checkpoint, self._best(rank))

    def _restore_ranks(self) -> None:
        """Undo the insertions that were made after the checkpoint from which a run is resumed.

        Insertions only move files down. So here files move up, the best first, and no file
        overwrites another that is still needed.
        """
        paths = [self._best(rank) for rank in range(self.keep)]
        path_of_step: dict[int, Path] = {}
        for path in [*paths, self._dropped]:
            if path.is_file():
                step = load_checkpoint(path)["global_step"]
                path_of_step.setdefault(step, path)

        for path, (_, step) in zip(paths, self.kept, strict=False):
            source = path_of_step.get(step)
            if source is None:
                path.unlink(missing_ok=True)
            elif source != path:
                link(source, path)

        for path in paths[len(self.kept) :]:
            path.unlink(missing_ok=True)
        self._dropped.unlink(missing_ok=True)

    @property
    def _dropped(self) -> Path:
        """The file that is no longer among the best, kept until `last.ckpt` is replaced."""
        return self._path(".dropped.ckpt")

    def _best(self, rank: int) -> Path:
        """Return the path of the checkpoint of a rank, from 0."""
        name = "best.ckpt" if rank == 0 else f"best_{rank + 1}.ckpt"
        return self._path(name)

    def _path(self, name: str) -> Path:
        return self.folder / "checkpoints" / name


def checkpoints_of(trainer: Any) -> Checkpoints:
    """Return the trainer's callback that keeps the checkpoints."""
    return next(each for each in trainer.callbacks if isinstance(each, Checkpoints))
