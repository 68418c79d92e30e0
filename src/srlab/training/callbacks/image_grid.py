"""Pictures of validation views, for the loggers."""

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
    """Logs a picture of LR, bicubic interpolation, SR and HR of the first `count` validation views.

    `channels` are the numbers, from 1, of one or three channels to show. None takes the first
    three, or the first if there are fewer. Values are stretched between the percentiles `stretch`
    of HR. Missing pixels of HR are black. LR is shown by the channels that correspond to those of
    SR. If their number differs from HR's, LR and bicubic interpolation are left out. A picture is
    named by the number of its view, regardless of its rank.

    For volumes and videos, `view` chooses the planes to show (`srlab.report.planes.planes`), and
    the four images are below each other.

    Raises a `Mistake` if `count` is below 1.
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
        """Draw a view before training, so that a mistake in the settings is found early."""
        if watching(trainer):
            self._grid(batch, sr, pl_module)

    def on_validation_epoch_start(self, *_: object) -> None:
        """Discard the pictures of an earlier validation that was interrupted."""
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
        """Keep the picture of one view; it has 8 bits, since it is sent to all ranks."""
        number = trainer.datamodule.view(batch_idx)
        if number < self.count and watching(trainer):
            picture = self._grid(batch, outputs, pl_module)
            in_8_bits = (picture * 255).round().to(torch.uint8)
            self._pictures[number] = in_8_bits.cpu()

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: GAN | Any) -> None:
        """Log the pictures of all ranks."""
        loggers = watching(trainer)
        if not loggers:
            return
        pictures = by_view(self._pictures)
        self._pictures = {}
        if not trainer.is_global_zero:
            return
        for number, picture in pictures.items():
            pixels = picture.movedim(0, -1).numpy()
            for logger in loggers:
                logger.log_picture(f"validation/{number}", pixels, trainer.global_step)

    def _grid(self, batch: dict[str, Tensor], sr: Tensor, pl_module: GAN | Any) -> Tensor:
        """Return the picture ``(3, H, W)`` of a view, in 0–1."""
        card: ModelCard = pl_module.card
        lr, hr = batch["lr"], batch["hr"]
        if card.continued is not None:
            lr = lr[:, card.continued]
        visible = hr
        if "valid" in batch:
            visible = torch.where(batch["valid"], hr, torch.nan)

        images = [sr, visible]
        if lr.shape[1] == hr.shape[1]:
            images = [repeated(lr, card.scale), enlarge(lr, card.scale), sr, visible]

        pictures = []
        for image in images:
            picture = displayable(
                image[0],
                like=visible[0],
                channels=self.channels,
                stretch=self.stretch,
                view=self.view,
                axes=pl_module.validation.axes,
            )
            pictures.append(picture)

        if sr.ndim == 4:
            return beside(pictures)
        return torch.cat(pictures, dim=1)
