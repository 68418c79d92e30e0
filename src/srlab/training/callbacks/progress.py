"""The progress bar."""

from __future__ import annotations

from contextlib import ExitStack

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm


class Progress(ProgressBar):
    """One bar for the whole run, in generator updates, with the scores of the last validation.

    While it is there, lines of the log on the console are written above it.
    """

    def __init__(self) -> None:
        super().__init__()
        self._shown = True
        self._bar: tqdm[object] | None = None
        self._open = ExitStack()

    def disable(self) -> None:
        """Show nothing: Lightning calls this on all processes but the first."""
        self._shown = False

    def enable(self) -> None:
        """Show the bar again."""
        self._shown = True

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Open the bar at the step from which the run goes on."""
        self._open.enter_context(logging_redirect_tqdm())
        self._bar = tqdm(
            total=trainer.max_steps,
            initial=trainer.global_step,
            unit="step",
            desc="training",
            dynamic_ncols=True,
            disable=not self._shown,
        )

    def on_train_batch_end(self, *_: object) -> None:
        """Advance by one update."""
        assert self._bar is not None
        self._bar.update()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show the new scores."""
        if self._bar is not None:
            scores = trainer.callback_metrics
            shown = [name for name in ("psnr", "ssim") if f"val/{name}" in scores]
            self._bar.set_postfix({name: f"{float(scores[f'val/{name}']):.4g}" for name in shown})

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Close the bar."""
        self._close()

    def on_exception(self, *_: object) -> None:
        """Close the bar, so that the error stands on a line of its own."""
        self._close()

    def _close(self) -> None:
        self._open.close()
        if self._bar is not None:
            self._bar.close()
