"""The progress bar of a training run."""

from __future__ import annotations

from collections.abc import Mapping

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar
from torch import Tensor

from srlab import progress

SHOWN = ("psnr", "ssim", "psnr_foreground")
"""The scores that the bar shows, if they are among the metrics."""


class Progress(ProgressBar):
    """A bar that counts the generator updates of a run, and shows the scores of validation."""

    def __init__(self) -> None:
        super().__init__()
        self._shown = True
        self._progress: progress.Progress | None = None

    def disable(self) -> None:
        """Show no bar: Lightning calls this on all processes but the first."""
        self._shown = False

    def enable(self) -> None:
        """Show the bar."""
        self._shown = True

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin at the step at which the run starts or is resumed."""
        self._progress = progress.progress(
            trainer.max_steps,
            done=trainer.global_step,
            unit="step",
            title="training",
            shown=self._shown,
        )

    def on_train_batch_end(self, *_: object) -> None:
        """Advance by one update."""
        assert self._progress is not None
        self._progress.advance()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show the new scores."""
        if self._progress is None:
            return
        scores = trainer.callback_metrics
        # A score is NaN if no view has a value of it, such as the foreground's PSNR in mere air.
        shown = [name for name in SHOWN if _is_number(scores.get(f"val/{name}"))]
        self._progress.note({name: _beside_bicubic(scores, name) for name in shown})

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Close the bar after the last validation."""
        self._close()

    def on_exception(self, *_: object) -> None:
        """Close the bar, so that the error begins on a new line."""
        self._close()

    def _close(self) -> None:
        if self._progress is not None:
            self._progress.close()


def _is_number(score: Tensor | None) -> bool:
    return score is not None and not bool(score.isnan())


def _beside_bicubic(scores: Mapping[str, Tensor], name: str) -> str:
    """Write the score of the model, and that of bicubic interpolation if there is one."""
    score = float(scores[f"val/{name}"])
    bicubic = scores.get(f"val/{name}_bicubic")
    if bicubic is None:
        return f"{score:.4g}"
    return f"{score:.4g} (bicubic {float(bicubic):.4g})"
