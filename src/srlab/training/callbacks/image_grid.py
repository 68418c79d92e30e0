"""Validation pictures in TensorBoard."""

from __future__ import annotations

from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor

from srlab.nn.resample import enlarge
from srlab.report.pictures import displayable
from srlab.training.module import GAN


class ImageGrid(Callback):
    """Logs rows of LR | bicubic | SR | HR for the first `count` validation views.

    `channels` are the numbers, from 1, of one or three channels to show; null takes the first three, or the first.
    Each view is stretched to the 1st–99th percentile of its HR; of a volume the middle slice is shown.
    """

    def __init__(self, *, count: int = 4, channels: list[int] | None = None) -> None:
        self.count = count
        self.channels = channels

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,  # noqa: ANN401 (Lightning's type; here the SR batch)
        batch: Any,  # noqa: ANN401 (Lightning's type; here a batch of pairs)
        batch_idx: int,
        *_: object,
    ) -> None:
        """Log one row."""
        writers = [logger.experiment for logger in trainer.loggers if isinstance(logger, TensorBoardLogger)]
        if batch_idx >= self.count or trainer.sanity_checking or not writers:
            return
        assert isinstance(pl_module, GAN)
        picture = self._row(batch, outputs, pl_module.card.scale)
        for writer in writers:
            writer.add_image(f"validation/{batch_idx}", picture, global_step=trainer.global_step)

    def _row(self, batch: dict[str, Tensor], sr: Tensor, scale: tuple[int, ...]) -> Tensor:
        lr, hr = batch["lr"], batch["hr"]
        nearest = lr
        for axis, factor in enumerate(scale, start=2):
            nearest = nearest.repeat_interleave(factor, dim=axis)
        columns = [nearest, enlarge(lr, scale), sr, hr]
        shown = [displayable(image[0], like=hr[0], channels=self.channels) for image in columns]
        return torch.cat(shown, dim=2)
