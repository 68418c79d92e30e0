"""All that a process needs to compute the blocks of an output."""

from __future__ import annotations

from collections.abc import Sequence
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
from srlab.prediction.several import Several, Turned, turns_of
from srlab.prediction.tiles import TileGrid
from srlab.prediction.transparency import BesideAlpha, Transparent


@dataclass(frozen=True, kw_only=True)
class Job:
    """An output that is to be made: where it comes from, where it goes, and by which tiles.

    It pickles, apart from its models, so that several processes can have a share in it.
    """

    reader: Reader
    writer: Writer
    tiles: TileGrid

    paths: tuple[str, ...] = ()
    """The files of the models, for processes that have not opened them yet."""

    trust: bool = False

    alpha: Reader | None = None
    """Of the transparency of the scene, which comes back, enlarged, as the last channel."""

    noises: tuple[Tensor | None, ...] = (None,)
    """Of each sample, ``(1, noise_channels)``; None is the deterministic answer."""

    turned: bool = False
    """Whether each prediction is the mean over all turns that the model allows."""

    scene: Tensor | None = None
    batch: int = 1
    precision: torch.dtype = torch.float32

    threads: int | None = None
    """Threads of the network on a CPU, which round differently in other numbers; None: all."""

    device: str = "cpu"

    def opened(self, models: Sequence[SuperResolver]) -> tuple[Reader, Predict]:
        """Return what reads the scene, and what predicts its tiles.

        Of several predictions the channels are those of the mean, then those of the deviation.

        Raises a `Mistake` if the scene has other channels or fewer axes than a model takes.
        """
        members = [member for model in models for member in self._members(model)]
        predict: Predict = Several(members) if len(members) > 1 else members[0]
        leading = check_input(models[0], self.reader)
        if leading:
            predict = AlongLeading(predict, leading)
        if self.alpha is None:
            return self.reader, predict
        return Transparent(self.reader, self.alpha), BesideAlpha(predict, self.tiles.scale)

    def _members(self, model: SuperResolver) -> list[Predict]:
        """Return the predictions of one model: for each sample, and each turn of the image."""
        members: list[Predict] = []
        for noise in self.noises:
            predict: Predict = Predictor(
                model,
                device=self.device,
                batch_size=self.batch,
                noise=noise,
                scene=self.scene,
                precision=self.precision,
            )
            turned = [Turned(predict, turn) for turn in turns_of(model.card)] if self.turned else []
            members += turned or [predict]
        if not model.card.across:
            return members
        thick = thick_axis(model.card, self.reader.description)
        return [BothWays(member, thick) for member in members]
