"""Validation pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from lightning import Callback, Trainer
from torch import Tensor

from srlab.axes import check_counts
from srlab.models.card import ModelCard
from srlab.nn.masks import repeated
from srlab.nn.resample import enlarge
from srlab.report.pictures import beside, displayable
from srlab.report.planes import VolumeView
from srlab.training.loggers.visual import watching
from srlab.training.processes.ranks import by_view

if TYPE_CHECKING:
    from srlab.training.module import GAN


class ImageGrid(Callback):
    """Logs LR | bicubic | SR | HR of the first `count` validation views.

    `channels` are the numbers, from 1, of one or three channels to show; null takes the first
    three, or the first. Each view is stretched between the percentiles `stretch` of its HR, whose
    missing pixels are black. Of LR the channels
    that SR continues are shown; LR and bicubic are left out if these are not HR's. A picture
    is named by the number of its view, whichever rank saw it.

    A volume is shown by its ``middle`` slice, by the middle ``slices`` of all three axes, or as a
    few ``frames`` of a video. Its four images stand one below the other. ``slices`` of a clip are a
    frame and, line by line, the middle row over time. Pixels that are longer one way are shown so.
    """

    def __init__(
        self,
        *,
        count: int = 4,
        channels: Sequence[int] | None = None,
        stretch: Sequence[float] = (1, 99),
        view: VolumeView = "slices",
    ) -> None:
        check_counts(count=count)
        self.count = count
        self.channels = channels
        self.stretch = stretch
        self.view = view
        self._pictures: dict[int, Tensor] = {}

    def rehearse(self, trainer: Any, pl_module: GAN | Any, sr: Tensor, batch: Any) -> None:
        """Draw a view before training, to see that it can be drawn."""
        if watching(trainer):
            self._grid(batch, sr, pl_module)

    def on_validation_epoch_start(self, *_: object) -> None:
        """Forget a validation that was cut short."""
        self._pictures = {}

    def on_validation_batch_end(
        self,
        trainer: Any,
        pl_module: GAN | Any,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        *_: object,
    ) -> None:
        """Keep the picture of one view, in 8 bits, since it is sent to all ranks."""
        number = trainer.datamodule.view(batch_idx)
        if number < self.count and watching(trainer):
            picture = self._grid(batch, outputs, pl_module)
            self._pictures[number] = (picture * 255).round().to(torch.uint8).cpu()

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: GAN | Any) -> None:
        """Log the pictures of all ranks."""
        loggers = watching(trainer)
        if not loggers:
            return
        pictures, self._pictures = by_view(self._pictures), {}
        if trainer.is_global_zero:
            for number, picture in pictures.items():
                pixels = picture.movedim(0, -1).numpy()
                for logger in loggers:
                    logger.log_picture(f"validation/{number}", pixels, trainer.global_step)

    def _grid(self, batch: dict[str, Tensor], sr: Tensor, pl_module: GAN | Any) -> Tensor:
        """The picture ``(3, H, W)``, in 0–1."""
        card: ModelCard = pl_module.card
        lr, hr, scale = batch["lr"], batch["hr"], card.scale
        if card.continued is not None:
            lr = lr[:, card.continued]
        visible = hr
        if "valid" in batch:
            visible = torch.where(batch["valid"], hr, torch.nan)
        images = [sr, visible]
        if lr.shape[1] == hr.shape[1]:
            images = [repeated(lr, scale), enlarge(lr, scale), *images]
        shown = [
            displayable(
                image[0],
                like=visible[0],
                channels=self.channels,
                stretch=self.stretch,
                view=self.view,
                axes=pl_module.validation.axes,
            )
            for image in images
        ]
        if sr.ndim == 4:
            return beside(shown)
        return torch.cat(shown, dim=1)
