"""Distributions of weights, gradients and values."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor, nn

from srlab.mistakes import Mistake
from srlab.report.pictures import thinned
from srlab.training.loggers.visual import Histogram, histogram, log_histogram, watching
from srlab.training.module import GAN
from srlab.training.processes.ranks import by_view

Limits = tuple[float, float]


class Histograms(Callback):
    """Logs histograms of each network's weights and gradients, and of the values of SR and HR, band by band.

    Weights and gradients, as the update has left them, are taken every `every` steps (null: where a validation is
    due), a histogram for each part of a network: `depth` is the number of names in a part's path. SR and HR are
    taken at every validation in physical units, from the views of all ranks and without missing pixels, with the
    same bins: they span the range of HR and a tenth of it on either side, and what lies outside counts in the
    outermost. Of large views a sample of pixels at even distances is counted. This callback stands before
    `Checkpoints`, so that what belongs to a step is logged when its checkpoint is written.
    """

    def __init__(self, *, every: int | None = None, bins: int = 64, depth: int = 1) -> None:
        for name, value in (("every", every), ("bins", bins), ("depth", depth)):
            if value is not None and value < 1:
                raise Mistake(f"histograms got {name}={value}; give a number >= 1.")
        self.every = every
        self.bins = bins
        self.depth = depth
        self._samples: dict[int, tuple[Tensor, Tensor]] = {}

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: object) -> None:
        """Log weights and gradients."""
        if not trainer.is_global_zero or not self._due(trainer):
            return
        assert isinstance(pl_module, GAN)
        networks = {"generator": pl_module.generator, "discriminator": pl_module.discriminator}
        for name, network in networks.items():
            if network is not None and watching(trainer):
                for part, parameters in self._parts(network):
                    self._log(trainer, f"weights/{name}/{part}", self._of(parameters))
                    gradients = [
                        parameter.grad for parameter in parameters if parameter.grad is not None
                    ]
                    self._log(trainer, f"gradients/{name}/{part}", self._of(gradients))

    def _due(self, trainer: Trainer) -> bool:
        step, every = trainer.global_step, self.every or trainer.val_check_batch
        return bool(every and step % every == 0) or step >= trainer.max_steps

    def _parts(self, network: nn.Module) -> Iterator[tuple[str, list[nn.Parameter]]]:
        parts: defaultdict[str, list[nn.Parameter]] = defaultdict(list)
        for name, parameter in network.named_parameters():
            parts[".".join(name.split(".")[: self.depth])].append(parameter)
        yield from parts.items()

    def _of(self, tensors: Iterable[Tensor]) -> Histogram | None:
        values = [tensor.detach().flatten() for tensor in tensors]
        return histogram(torch.cat(values), bins=self.bins) if values else None

    def _log(self, trainer: Trainer, name: str, counted: Histogram | None) -> None:
        for logger in watching(trainer):
            if counted is not None:
                log_histogram(logger, name, counted, trainer.global_step)

    def on_validation_epoch_start(self, *_: object) -> None:
        """Forget the last validation."""
        self._samples = {}

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        *_: object,
    ) -> None:
        """Keep a sample of SR and of HR at the same pixels."""
        if watching(trainer):
            sr, hr = (_by_band(image, batch.get("valid")) for image in (outputs, batch["hr"]))
            self._samples[trainer.datamodule.view(batch_idx)] = sr, hr  # type: ignore[attr-defined]

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the values of SR and HR in the views of all ranks.

        Ranks tell each other ranges, and then counts, since the values themselves may fill a host's memory.
        """
        if not watching(trainer):
            return
        assert isinstance(pl_module, GAN)
        samples, self._samples = self._samples, {}
        ranges = by_view({view: [_range(band) for band in hr] for view, (_, hr) in samples.items()})
        limits = [_limits(band) for band in zip(*ranges.values(), strict=True)]
        counts = by_view(
            {
                view: [self._counts(image, limits) for image in pair]
                for view, pair in samples.items()
            }
        )
        if not trainer.is_global_zero:
            return
        for image, views in zip(("sr", "hr"), zip(*counts.values(), strict=True), strict=True):
            for channel, band in zip(
                pl_module.card.channels, zip(*views, strict=True), strict=True
            ):
                self._log(trainer, f"values/{channel}/{image}", _sum(band))

    def _counts(self, bands: Tensor, limits: Iterable[Limits | None]) -> list[Histogram | None]:
        return [
            histogram(band, bins=self.bins, limits=within) if within else None
            for band, within in zip(bands, limits, strict=True)
        ]


def _range(band: Tensor) -> Limits:
    """The least and the greatest finite value; inf and -inf if there are none."""
    finite = band[band.isfinite()]
    return (float(finite.min()), float(finite.max())) if len(finite) else (math.inf, -math.inf)


def _limits(ranges: Sequence[Limits]) -> Limits | None:
    """Those of the bins for values of these ranges; None if there are no values."""
    low, high = min(low for low, _ in ranges), max(high for _, high in ranges)
    margin = 0.1 * (high - low)
    return (low - margin, high + margin) if low <= high else None


def _sum(counted: Iterable[Histogram | None]) -> Histogram | None:
    """The histogram of all values of which some with the same bins count a part each."""
    some = [each for each in counted if each is not None]
    return (
        Histogram(np.sum([each.counts for each in some], axis=0), some[0].edges) if some else None
    )


def _by_band(image: Tensor, valid: Tensor | None) -> Tensor:
    """The valid values ``(C, count)`` of a batch, thinned."""
    bands = image.detach().transpose(0, 1).flatten(1)
    if valid is not None:
        bands = bands[:, valid[:, 0].flatten()]
    return thinned(bands, 100_000).cpu() if bands.shape[1] else bands.cpu()
