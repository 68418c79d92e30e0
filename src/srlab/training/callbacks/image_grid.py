"""Validation pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor

from srlab.nn.resample import enlarge
from srlab.report.pictures import View, beside, displayable
from srlab.training.loggers.visual import log_image, watching
from srlab.training.module import GAN
from srlab.training.processes.ranks import by_view


class ImageGrid(Callback):
    """Logs LR | bicubic | SR | HR for the first `count` validation views; of volumes, one below the other.

    `channels` are the numbers, from 1, of one or three channels to show; null takes the first three, or the first.
    Each view is stretched between the percentiles `stretch` of its HR, whose missing pixels are black. A volume is
    shown by its ``middle`` slice, by the middle ``slices`` of all three axes, or as a few ``frames`` of a video. LR
    and bicubic are left out where LR and HR differ in channels. A picture is named by its view's number, whichever
    rank saw the view.
    """

    def __init__(
        self,
        *,
        count: int = 4,
        channels: list[int] | None = None,
        stretch: Sequence[float] = (1, 99),
        view: View = "slices",
    ) -> None:
        self.count = count
        self.channels = channels
        self.stretch = stretch
        self.view = view
        self._pictures: dict[int, Tensor] = {}

    def on_validation_epoch_start(self, *_: object) -> None:
        """Forget a validation that was cut short."""
        self._pictures = {}

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        *_: object,
    ) -> None:
        """Keep the picture of one view, in 8 bits, since it is sent to all ranks."""
        number = trainer.datamodule.view(batch_idx)  # type: ignore[attr-defined]
        if number < self.count and watching(trainer):
            assert isinstance(pl_module, GAN)
            picture = self._grid(batch, outputs, pl_module.card.scale)
            self._pictures[number] = (picture * 255).round().to(torch.uint8).cpu()

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the pictures of all ranks."""
        loggers = watching(trainer)
        if not loggers:
            return
        pictures, self._pictures = by_view(self._pictures), {}
        if trainer.is_global_zero:
            for number, picture in pictures.items():
                for logger in loggers:
                    log_image(logger, f"validation/{number}", picture / 255, trainer.global_step)

    def _grid(self, batch: dict[str, Tensor], sr: Tensor, scale: tuple[int, ...]) -> Tensor:
        lr, hr = batch["lr"], batch["hr"]
        images = [sr, torch.where(batch["valid"], hr, torch.nan) if "valid" in batch else hr]
        if lr.shape[1] == hr.shape[1]:
            images = [_repeated(lr, scale), enlarge(lr, scale), *images]
        shown = [
            displayable(
                image[0],
                like=images[-1][0],
                channels=self.channels,
                stretch=self.stretch,
                view=self.view,
            )
            for image in images
        ]
        return beside(shown) if sr.ndim == 4 else torch.cat(shown, dim=1)


def _repeated(lr: Tensor, scale: tuple[int, ...]) -> Tensor:
    """Each LR pixel as a block."""
    for axis, factor in enumerate(scale, start=2):
        lr = lr.repeat_interleave(factor, dim=axis)
    return lr
