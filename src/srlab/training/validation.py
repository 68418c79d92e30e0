"""How good the model is in between."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from srlab.degradations import Degradation
from srlab.metrics import Metric, View, scores
from srlab.nn.resample import enlarge
from srlab.super_resolver import SuperResolver
from srlab.training.ranks import gathered
from srlab.training.update import one_draw


class Validation:
    """Scores a model view by view, in physical units, beside bicubic interpolation."""

    def __init__(self, *, metrics: Mapping[str, Metric], degradation: Degradation, data_range: float) -> None:
        self.metrics = dict(metrics)
        self.degradation = degradation
        self.data_range = data_range
        self._found: dict[int, dict[str, Tensor]] = {}

    def start(self, model: SuperResolver) -> None:
        """Forget the last one."""
        self._model, self._found = model, {}

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
        found = scores(self.metrics, sr, hr, view)
        if lr.shape[1] == hr.shape[1]:
            bicubic = scores(self.metrics, enlarge(lr, card.scale), hr, view)
            found |= {f"{name}_bicubic": value for name, value in bicubic.items()}
        self._found[number] = {f"val/{name}": value for name, value in found.items()}
        return sr

    def means(self) -> dict[str, Tensor]:
        """The mean of each score over all views in which it is defined, to the bit the same on any number of ranks."""
        ours = {number: {name: value.cpu() for name, value in found.items()} for number, found in self._found.items()}
        views = {number: found for theirs in gathered(ours) for number, found in theirs.items()}
        every = [views[number] for number in sorted(views)]
        names = dict.fromkeys(name for found in every for name in found)
        return {name: torch.cat([found[name] for found in every if name in found]).nanmean() for name in names}
