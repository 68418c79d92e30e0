"""All that a process needs to compute the blocks of an output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from srlab.degradations import Bounds
from srlab.io import Reader, Writer
from srlab.io.across import SPACE, Order
from srlab.models.card import JSON
from srlab.models.super_resolver import SuperResolver
from srlab.prediction.blocks import Anywhere, Network, Predict
from srlab.prediction.grid.planning import check_input
from srlab.prediction.grid.tiles import TileGrid
from srlab.prediction.network.across import BothWays, orders_for, thick_axis
from srlab.prediction.network.leading import AlongLeading
from srlab.prediction.network.predictor import Predictor
from srlab.prediction.network.projection import Agreeing, Parts, TiledAgreement
from srlab.prediction.network.several import Several, Turned, turns_of
from srlab.prediction.network.transparency import BesideAlpha, Transparent


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

    inputs: tuple[tuple[str, str], ...] = ()
    """The files that the reader reads, each with its hash, for processes that open them anew."""

    trust: bool = False

    alpha: Reader | None = None
    """Reads the transparency of the scene, which comes back, enlarged, as the last channel."""

    noises: tuple[Tensor | None, ...] = (None,)
    """The noise of each sample, ``(1, noise_channels)``; None: the deterministic answer."""

    turned: bool = False
    """Whether each prediction is the mean over all turns that the model allows."""

    scene: Tensor | None = None
    batch: int = 1
    precision: torch.dtype = torch.float32

    threads: int | None = None
    """Threads of the network on a CPU; None: all. Another number may round differently."""

    devices: tuple[str, ...] = ("cpu",)
    """The devices of a process; each has a copy of the models."""

    project: bool = False
    """Whether SR is to agree with LR; that of a model trained through a projection always does."""

    degradation: Mapping[str, JSON] | None = None
    """The recipe of how LR was made of HR; None: what the model's card says."""

    bounds: Bounds | None = None
    """The values that the file can hold, if the stored values are to agree with LR."""

    parts: bool = False
    """Whether further channels hold what LR determines, and what the network added."""

    @property
    def device(self) -> str:
        """The first device."""
        return self.devices[0]

    def opened(self, models: Sequence[SuperResolver]) -> tuple[Reader, Predict]:
        """Return what reads the scene, and what predicts its tiles on the first device.

        Several predictions give the channels of their mean, then those of their deviation. The two
        parts of the mean follow, if `parts` is set.

        Raises a `Mistake` if the scene has other channels or fewer axes than a model takes.
        """
        if self.project:
            models = [model.projected(self.degradation, trust=self.trust) for model in models]
        leading = check_input(models[0], self.reader)
        members = [
            self._agreeing(model, each) for model in models for each in self._networks(model)
        ]
        predict: Predict = Several(members) if len(members) > 1 else members[0]
        if self.parts:
            predict = Parts(predict, self._tiled_agreement(models[0]))
        if leading:
            predict = AlongLeading(predict, leading)
        if self.alpha is None:
            return self.reader, predict
        return Transparent(self.reader, self.alpha), BesideAlpha(predict, self.tiles.scale)

    def _agreeing(self, model: SuperResolver, network: Network) -> Predict:
        """Return a prediction of tiles, which agrees with LR if the model is projected."""
        if not model.agreement:
            return Anywhere(network)
        return Agreeing(network, self._tiled_agreement(model), bounds=self.bounds)

    def _tiled_agreement(self, model: SuperResolver) -> TiledAgreement:
        """Return the agreement of a projected model, for tiles without their leading axes."""
        assert model.agreement is not None, "a model that is not projected"
        description = self.reader.description
        dims = model.card.spatial_dims
        order: Order = tuple(range(dims))
        if model.card.across:
            whole = orders_for(model.card, description)[0][-SPACE:]
            order = tuple(axis - (len(description.shape) - SPACE) for axis in whole)
        return TiledAgreement(model.agreement, order=order, device=self.device)

    def _networks(self, model: SuperResolver) -> list[Network]:
        """Return the networks of one model: for each sample, and each turn of the image."""
        members: list[Network] = []
        for noise in self.noises:
            network: Network = Predictor(
                model,
                device=self.device,
                batch_size=self.batch,
                noise=noise,
                scene=self.scene,
                precision=self.precision,
            )
            turned = [Turned(network, turn) for turn in turns_of(model.card)] if self.turned else []
            members += turned or [network]
        if not model.card.across:
            return members
        thick = thick_axis(model.card, self.reader.description)
        return [BothWays(member, thick) for member in members]
