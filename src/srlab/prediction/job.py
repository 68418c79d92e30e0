"""All that a process needs to compute the blocks of an output."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from srlab.io import Reader, Writer
from srlab.models.super_resolver import SuperResolver
from srlab.prediction.across import BothWays, thick_axis
from srlab.prediction.blocks import Predict
from srlab.prediction.leading import AlongLeading
from srlab.prediction.planning import check_input
from srlab.prediction.predictor import Predictor
from srlab.prediction.tiles import TileGrid
from srlab.prediction.transparency import BesideAlpha, Transparent


@dataclass(frozen=True, kw_only=True)
class Job:
    """An output that is to be made: where it comes from, where it goes, and by which tiles.

    It pickles, apart from its model, so that several processes can have a share in it.
    """

    reader: Reader
    writer: Writer
    tiles: TileGrid

    alpha: Reader | None = None
    """Of the transparency of the scene, which comes back, enlarged, as the last channel."""

    noise: Tensor | None = None
    scene: Tensor | None = None
    batch: int = 1
    precision: torch.dtype = torch.float32
    device: str = "cpu"

    def opened(self, model: SuperResolver) -> tuple[Reader, Predict]:
        """Return what reads the scene, and what predicts its tiles.

        Raises a `Mistake` if the scene has other channels or fewer axes than the model takes.
        """
        leading = check_input(model, self.reader)
        predict: Predict = Predictor(
            model,
            device=self.device,
            batch_size=self.batch,
            noise=self.noise,
            scene=self.scene,
            precision=self.precision,
        )
        if model.card.across:
            predict = BothWays(predict, thick_axis(model.card, self.reader.description))
        if leading:
            predict = AlongLeading(predict, leading)
        if self.alpha is None:
            return self.reader, predict
        return Transparent(self.reader, self.alpha), BesideAlpha(predict, model.card.scale)
