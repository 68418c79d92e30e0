"""Distributions of weights, gradients and values."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from lightning import Callback, Trainer
from torch import Tensor, nn

from srlab.mistakes import Mistake
from srlab.report.pictures import thinned
from srlab.training.loggers.visual import BinCounts, VisualLogger, bin_counts, watching
from srlab.training.processes.ranks import by_view

if TYPE_CHECKING:
    from srlab.training.module import GAN

Limits = tuple[float, float]


class Histograms(Callback):
    """Logs histograms of weights and gradients, and of the values of SR and HR, channel by channel.

    Weights and gradients, as the update has left them, are taken every `every` steps (null: when a
    validation is due). Each part of a network has its own histogram; `depth` is the number of names
    in a part's path.

    SR and HR are taken at every validation, in physical units, from the views of all ranks and
    without missing pixels. Both have the same bins. These span the range of HR and a tenth of it on
    either side; values beyond count in the outermost bins. Large views are sampled at even
    distances.
    """

    def __init__(self, *, every: int | None = None, bins: int = 64, depth: int = 1) -> None:
        for name, value in (("every", every), ("bins", bins), ("depth", depth)):
            if value is not None and value < 1:
                raise Mistake(f"histograms got {name}={value}; give a number >= 1.")
        self.every = every
        self.bins = bins
        self.depth = depth
        self._samples: dict[int, dict[str, Tensor]] = {}

    def on_train_batch_end(self, trainer: Trainer, pl_module: GAN | Any, *_: object) -> None:
        """Log weights and gradients."""
        loggers, step = watching(trainer), trainer.global_step
        if not loggers or not trainer.is_global_zero or not self._due(trainer):
            return
        for name, network in pl_module.networks.items():
            for part, parameters in self._parts(network).items():
                gradients = [each.grad for each in parameters if each.grad is not None]
                _log(loggers, f"weights/{name}/{part}", self._counted(parameters), step)
                _log(loggers, f"gradients/{name}/{part}", self._counted(gradients), step)

    def _due(self, trainer: Trainer) -> bool:
        step, every = trainer.global_step, self.every or trainer.val_check_batch
        if every and step % every == 0:
            return True
        return step >= trainer.max_steps

    def _parts(self, network: nn.Module) -> dict[str, list[nn.Parameter]]:
        """The parameters of each part, by its path."""
        parts: defaultdict[str, list[nn.Parameter]] = defaultdict(list)
        for name, parameter in network.named_parameters():
            parts[".".join(name.split(".")[: self.depth])].append(parameter)
        return parts

    def _counted(self, tensors: Sequence[Tensor]) -> BinCounts | None:
        if not tensors:
            return None
        values = torch.cat([tensor.detach().flatten() for tensor in tensors])
        return bin_counts(values, bins=self.bins)

    def on_validation_epoch_start(self, *_: object) -> None:
        """Forget the last validation."""
        self._samples = {}

    def on_validation_batch_end(
        self,
        trainer: Any,
        pl_module: GAN | Any,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        *_: object,
    ) -> None:
        """Keep a sample of SR and of HR at the same pixels."""
        if watching(trainer):
            valid = batch.get("valid")
            self._samples[trainer.datamodule.view(batch_idx)] = {
                "sr": _by_channel(outputs, valid),
                "hr": _by_channel(batch["hr"], valid),
            }

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: GAN | Any) -> None:
        """Log the values of SR and HR in the views of all ranks.

        Ranks exchange ranges and counts, since the values themselves may fill a host's memory.
        """
        loggers = watching(trainer)
        if not loggers:
            return
        samples, self._samples = self._samples, {}
        ranges = by_view({view: _ranges(images["hr"]) for view, images in samples.items()})
        limits = [_limits(channel) for channel in zip(*ranges.values(), strict=True)]
        for image in ("sr", "hr"):
            counts = {view: self._counts(each[image], limits) for view, each in samples.items()}
            channels = zip(*by_view(counts).values(), strict=True)
            if trainer.is_global_zero:
                for name, counted in zip(pl_module.card.output_names, channels, strict=True):
                    total = _total(counted)
                    _log(loggers, f"values/{name}/{image}", total, trainer.global_step)

    def _counts(self, channels: Tensor, limits: Iterable[Limits | None]) -> list[BinCounts | None]:
        counts: list[BinCounts | None] = []
        for channel, within in zip(channels, limits, strict=True):
            counted = None
            if within is not None:
                counted = bin_counts(channel, bins=self.bins, limits=within)
            counts.append(counted)
        return counts


def _log(loggers: Iterable[VisualLogger], name: str, counted: BinCounts | None, step: int) -> None:
    if counted is not None:
        for logger in loggers:
            logger.log_histogram(name, counted, step)


def _by_channel(image: Tensor, valid: Tensor | None) -> Tensor:
    """The valid values ``(C, count)`` of a batch, thinned."""
    channels = image.detach().transpose(0, 1).flatten(1)
    if valid is not None:
        channels = channels[:, valid[:, 0].flatten()]
    if channels.shape[1]:
        channels = thinned(channels, 100_000)
    return channels.cpu()


def _ranges(channels: Tensor) -> list[Limits]:
    """The least and the greatest finite value of each channel; inf and -inf without any."""
    ranges = [(math.inf, -math.inf)] * len(channels)
    for number, channel in enumerate(channels):
        finite = channel[channel.isfinite()]
        if len(finite):
            ranges[number] = float(finite.min()), float(finite.max())
    return ranges


def _limits(ranges: Sequence[Limits]) -> Limits | None:
    """The limits of the bins for values of these ranges; None if there are no values."""
    low, high = min(low for low, _ in ranges), max(high for _, high in ranges)
    if low > high:
        return None
    margin = 0.1 * (high - low)
    return low - margin, high + margin


def _total(counted: Iterable[BinCounts | None]) -> BinCounts | None:
    """The sum of counts in the same bins."""
    present = [each for each in counted if each is not None]
    if not present:
        return None
    return BinCounts(np.sum([each.counts for each in present], axis=0), present[0].edges)
