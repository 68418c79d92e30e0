"""The progress bar of a run."""

from __future__ import annotations

from collections.abc import Mapping

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar
from torch import Tensor

from srlab import progress

SHOWN = ("psnr", "ssim", "psnr_foreground")
"""The scores that stand beside the bar, if they are among the metrics."""


class Progress(ProgressBar):
    """Shows the whole run, in generator updates, with the scores of the last validation."""

    def __init__(self) -> None:
        super().__init__()
        self._shown = True
        self._progress: progress.Progress | None = None

    def disable(self) -> None:
        """Show nothing: Lightning calls this on all processes but the first."""
        self._shown = False

    def enable(self) -> None:
        """Show it again."""
        self._shown = True

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin at the step from which the run goes on."""
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
        if self._progress is not None:
            scores = trainer.callback_metrics
            # An absent score is no number, and neither is that of air where a head is wanted.
            shown = [name for name in SHOWN if _is_number(scores.get(f"val/{name}"))]
            self._progress.note({name: _beside_bicubic(scores, name) for name in shown})

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """End, after the last validation."""
        self._close()

    def on_exception(self, *_: object) -> None:
        """End, so that the error stands on a line of its own."""
        self._close()

    def _close(self) -> None:
        if self._progress is not None:
            self._progress.close()


def _is_number(score: Tensor | None) -> bool:
    return score is not None and not bool(score.isnan())


def _beside_bicubic(scores: Mapping[str, Tensor], name: str) -> str:
    """Write a score, and that of interpolation, which it is to exceed."""
    text = f"{float(scores[f'val/{name}']):.4g}"
    bicubic = scores.get(f"val/{name}_bicubic")
    return text if bicubic is None else f"{text} (bicubic {float(bicubic):.4g})"
