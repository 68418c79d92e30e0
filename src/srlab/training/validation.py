"""How good the model is in between."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from srlab.degradations import Degradation
from srlab.metrics import Metric, View, scores
from srlab.models.super_resolver import SuperResolver
from srlab.nn.resample import enlarge
from srlab.training.adversary import Adversary
from srlab.training.losses import one_draw, without_hidden
from srlab.training.processes.ranks import by_view


class Validation:
    """Scores a model view by view, in physical units, beside bicubic interpolation.

    A discriminator that has learnt judges, too, as in training: crops of the size `crop`, by the statistics of their
    batch, which is a view's. The shares of its logits that are right, ``accuracy_real`` of HR and ``accuracy_fake`` of
    SR, are near a half in a game that is even, and near 1 when it wins.
    """

    def __init__(
        self,
        *,
        metrics: Mapping[str, Metric],
        degradation: Degradation,
        data_range: float,
        crop: Sequence[int],
    ) -> None:
        self.metrics = dict(metrics)
        self.degradation = degradation
        self.data_range = data_range
        self.crop = tuple(crop)
        self._found: dict[int, dict[str, Tensor]] = {}

    def start(self, model: SuperResolver, adversary: Adversary | None) -> None:
        """Forget the last one; `adversary` judges, too, if it has learnt already."""
        self._model, self._adversary, self._found = model, adversary, {}

    def score(self, batch: dict[str, Tensor], *, number: int) -> Tensor:
        """Score one batch of equal views, the one with this `number` over all ranks; return its SR."""
        lr, hr, card = batch["lr"], batch["hr"], self._model.card
        view = View(
            lr=lr,
            valid=batch.get("valid"),
            scale=card.scale,
            data_range=self.data_range,
            channels=card.channels,
            pixel_size=card.pixel_size,
            degrade=one_draw(self.degradation, lr.device, seed=number),
        )
        sr: Tensor = self._model(lr)
        with torch.autocast(sr.device.type, enabled=False):
            found = scores(self.metrics, sr, hr, view)
            if lr.shape[1] == hr.shape[1]:
                bicubic = scores(self.metrics, enlarge(lr, card.scale), hr, view)
                found |= {f"{name}_bicubic": value for name, value in bicubic.items()}
        if self._adversary:
            found |= self._accuracies(self._adversary, sr, hr, view.valid)
        self._found[number] = {f"val/{name}": value for name, value in found.items()}
        return sr

    def _accuracies(
        self, adversary: Adversary, sr: Tensor, hr: Tensor, valid: Tensor | None
    ) -> dict[str, Tensor]:
        """Those of the discriminator, if the view has a crop to judge."""
        if any(side > own for side, own in zip(self.crop, hr.shape[2:], strict=True)):
            return {}
        seen = [without_hidden(self._model.normaliser.hr(image), valid) for image in (sr, hr)]
        crops = [crops_of(image, self.crop) for image in seen]
        if valid is not None:
            visible = crops_of(valid, self.crop).flatten(1).any(dim=1)
            crops = [each[visible] for each in crops]
        if not len(crops[0]):
            return {}
        if len(crops[0]) == 1:  # batch norm may see a single value of each channel
            crops = [torch.cat([each, each.flip(-1)]) for each in crops]
        return {name: value[None] for name, value in adversary.accuracies(*crops).items()}

    def means(self) -> dict[str, Tensor]:
        """The mean of each score over all views in which it is defined, to the bit the same on any number of ranks."""
        ours = {
            number: {name: value.cpu() for name, value in found.items()}
            for number, found in self._found.items()
        }
        every = [*by_view(ours).values()]
        names = dict.fromkeys(name for found in every for name in found)
        return {
            name: torch.cat([found[name] for found in every if name in found]).nanmean()
            for name in names
        }


def crops_of(image: Tensor, size: Sequence[int]) -> Tensor:
    """Cut ``(B, C, *S)`` into crops ``(N, C, *size)`` that do not overlap, as many as fit."""
    dims = len(size)
    for axis, side in enumerate(size, start=2):
        image = image.unfold(axis, side, side)
    return image.movedim(1, 1 + dims).flatten(0, dims)
