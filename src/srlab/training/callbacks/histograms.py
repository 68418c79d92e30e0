"""Histograms of weights, gradients and image values, for the loggers."""

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
    """Logs histograms of weights and gradients, and of each channel of SR and HR.

    Weights and gradients are logged every `every` steps, after the update. None logs them when a
    validation is due. Each part of a network has its own histogram. A part is named by the first
    `depth` names of its parameters' paths.

    SR and HR are logged at every validation, in physical units, without missing pixels, over the
    views of all ranks. Large views are thinned evenly. Both images have the same bins, which span
    the range of HR and a tenth of it on either side. Values outside count in the outermost bins.

    Raises a `Mistake` if a number is below 1.
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
        """Log weights and gradients if they are due."""
        loggers = watching(trainer)
        if not loggers or not trainer.is_global_zero or not self._due(trainer):
            return
        step = trainer.global_step
        for name, network in pl_module.networks.items():
            for part, parameters in self._parts(network).items():
                weights = self._counted(parameters)
                _log(loggers, f"weights/{name}/{part}", weights, step)
                gradients = [each.grad for each in parameters if each.grad is not None]
                _log(loggers, f"gradients/{name}/{part}", self._counted(gradients), step)

    def _due(self, trainer: Trainer) -> bool:
        """Return whether weights and gradients are logged at this step; so they are at the last."""
        step = trainer.global_step
        every = self.every or trainer.val_check_batch
        if every and step % every == 0:
            return True
        return step >= trainer.max_steps

    def _parts(self, network: nn.Module) -> dict[str, list[nn.Parameter]]:
        """Return the parameters of each part of a network, by the part's path."""
        parts: defaultdict[str, list[nn.Parameter]] = defaultdict(list)
        for name, parameter in network.named_parameters():
            first_names = name.split(".")[: self.depth]
            parts[".".join(first_names)].append(parameter)
        return parts

    def _counted(self, tensors: Sequence[Tensor]) -> BinCounts | None:
        """Count the values of all tensors together; None if there are none."""
        if not tensors:
            return None
        values = torch.cat([tensor.detach().flatten() for tensor in tensors])
        return bin_counts(values, bins=self.bins)

    def on_validation_epoch_start(self, *_: object) -> None:
        """Discard the samples of an earlier validation."""
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
        if not watching(trainer):
            return
        view = trainer.datamodule.view(batch_idx)
        valid = batch.get("valid")
        self._samples[view] = {
            "sr": _by_channel(outputs, valid),
            "hr": _by_channel(batch["hr"], valid),
        }

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: GAN | Any) -> None:
        """Log the values of SR and HR in the views of all ranks.

        Ranks exchange ranges and counts, since the values of all views may exceed a host's memory.
        """
        loggers = watching(trainer)
        if not loggers:
            return
        samples = self._samples
        self._samples = {}

        own_ranges = {view: _ranges(images["hr"]) for view, images in samples.items()}
        ranges = by_view(own_ranges)
        limits = [_limits(of_channel) for of_channel in zip(*ranges.values(), strict=True)]

        for image in ("sr", "hr"):
            own = {view: self._counts(images[image], limits) for view, images in samples.items()}
            counts_of_views = by_view(own)
            if not trainer.is_global_zero:
                continue
            counts_of_channels = zip(*counts_of_views.values(), strict=True)
            names = pl_module.card.output_names
            for name, counts in zip(names, counts_of_channels, strict=True):
                _log(loggers, f"values/{name}/{image}", _total(counts), trainer.global_step)

    def _counts(self, channels: Tensor, limits: Iterable[Limits | None]) -> list[BinCounts | None]:
        """Count the values of each channel between its limits; None for a channel without any."""
        counts: list[BinCounts | None] = []
        for channel, limits_of_channel in zip(channels, limits, strict=True):
            counted = None
            if limits_of_channel is not None:
                counted = bin_counts(channel, bins=self.bins, limits=limits_of_channel)
            counts.append(counted)
        return counts


def _log(loggers: Iterable[VisualLogger], name: str, counted: BinCounts | None, step: int) -> None:
    if counted is not None:
        for logger in loggers:
            logger.log_histogram(name, counted, step)


def _by_channel(image: Tensor, valid: Tensor | None) -> Tensor:
    """Return the valid values ``(C, count)`` of a batch ``(B, C, *S)``, thinned."""
    channels = image.detach().transpose(0, 1).flatten(1)
    if valid is not None:
        channels = channels[:, valid[:, 0].flatten()]
    if channels.shape[1]:
        channels = thinned(channels, 100_000)
    return channels.cpu()


def _ranges(channels: Tensor) -> list[Limits]:
    """Return the smallest and the largest finite value of each channel; inf and -inf if none."""
    ranges = [(math.inf, -math.inf)] * len(channels)
    for number, channel in enumerate(channels):
        finite = channel[channel.isfinite()]
        if len(finite):
            ranges[number] = float(finite.min()), float(finite.max())
    return ranges


def _limits(ranges: Sequence[Limits]) -> Limits | None:
    """Return the limits of the bins for values in all `ranges`; None if there are no values."""
    low = min(low for low, _ in ranges)
    high = max(high for _, high in ranges)
    if low > high:
        return None
    margin = 0.1 * (high - low)
    return low - margin, high + margin


def _total(counted: Iterable[BinCounts | None]) -> BinCounts | None:
    """Return the sum of counts in the same bins; None if all are None."""
    present = [each for each in counted if each is not None]
    if not present:
        return None
    total = np.sum([each.counts for each in present], axis=0)
    return BinCounts(total, present[0].edges)
