"""Distributions of weights, gradients and values."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor, nn

from srlab.report.pictures import thinned
from srlab.training.loggers import histogram, log_histogram, visual
from srlab.training.module import GAN


class Histograms(Callback):
    """Logs histograms of each network's weights and gradients, and of the values of SR and HR, band by band.

    Weights and gradients, as the update has left them, are taken every `every` steps (null: where a validation is
    due), a histogram for each part of a network: `depth` is the number of names in a part's path. SR and HR are
    taken at every validation in physical units, without missing pixels, with the same bins: they span the range of
    HR and a tenth of it on either side, and what lies outside counts in the outermost. Of large views a sample of
    pixels at even distances is counted. This callback stands before `Checkpoints`, so that what belongs to a step
    is logged when its checkpoint is written.
    """

    def __init__(self, *, every: int | None = None, bins: int = 64, depth: int = 1) -> None:
        for name, value in (("every", every), ("bins", bins), ("depth", depth)):
            if value is not None and value < 1:
                raise ValueError(f"histograms got {name}={value}; give a number >= 1.")
        self.every = every
        self.bins = bins
        self.depth = depth
        self._samples: list[tuple[Tensor, Tensor]] = []

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: object) -> None:
        """Log weights and gradients."""
        if not trainer.is_global_zero or not self._due(trainer):
            return
        assert isinstance(pl_module, GAN)
        networks = {"generator": pl_module.generator, "discriminator": pl_module.discriminator}
        for name, network in networks.items():
            if network is not None and visual(trainer.loggers):
                for part, parameters in self._parts(network):
                    self._log(trainer, f"weights/{name}/{part}", parameters)
                    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
                    self._log(trainer, f"gradients/{name}/{part}", gradients)

    def _due(self, trainer: Trainer) -> bool:
        step, every = trainer.global_step, self.every or trainer.val_check_batch
        return bool(every and step % every == 0) or step >= trainer.max_steps

    def _parts(self, network: nn.Module) -> Iterator[tuple[str, list[nn.Parameter]]]:
        parts: defaultdict[str, list[nn.Parameter]] = defaultdict(list)
        for name, parameter in network.named_parameters():
            parts[".".join(name.split(".")[: self.depth])].append(parameter)
        yield from parts.items()

    def _log(
        self, trainer: Trainer, name: str, tensors: Iterable[Tensor], limits: tuple[float, float] | None = None
    ) -> None:
        values = [tensor.detach().flatten() for tensor in tensors]
        counted = histogram(torch.cat(values), bins=self.bins, limits=limits) if values else None
        for logger in visual(trainer.loggers):
            if counted is not None:
                log_histogram(logger, name, counted, trainer.global_step)

    def on_validation_epoch_start(self, *_: object) -> None:
        """Forget the last validation."""
        self._samples = []

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,  # noqa: ANN401 (Lightning's type; here the SR batch)
        batch: Any,  # noqa: ANN401 (Lightning's type; here a batch of pairs)
        *_: object,
    ) -> None:
        """Keep a sample of SR and of HR at the same pixels."""
        if trainer.is_global_zero and not trainer.sanity_checking and visual(trainer.loggers):
            sr, hr = (_by_band(image, batch.get("valid")) for image in (outputs, batch["hr"]))
            self._samples.append((sr, hr))

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the values of SR and HR."""
        if not self._samples:
            return
        assert isinstance(pl_module, GAN)
        sr, hr = (torch.cat(bands, dim=1) for bands in zip(*self._samples, strict=True))
        self._samples = []
        for number, band in enumerate(hr):
            finite = band[band.isfinite()]
            if not len(finite):
                continue
            low, high = float(finite.min()), float(finite.max())
            margin = 0.1 * (high - low)
            name = pl_module.card.channels[number]
            for image, values in (("sr", sr[number]), ("hr", band)):
                self._log(trainer, f"values/{name}/{image}", [values], (low - margin, high + margin))


def _by_band(image: Tensor, valid: Tensor | None) -> Tensor:
    """The valid values ``(C, count)`` of a batch, thinned."""
    bands = image.detach().transpose(0, 1).flatten(1)
    if valid is not None:
        bands = bands[:, valid[:, 0].flatten()]
    return thinned(bands, 100_000).cpu() if bands.shape[1] else bands.cpu()
