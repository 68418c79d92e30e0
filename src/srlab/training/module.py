"""The dual-optimiser loop, as a thin Lightning module."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from lightning import LightningModule, seed_everything
from lightning.pytorch.core.optimizer import LightningOptimizer, do_nothing_closure
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

import srlab
from srlab.adversarial import Objective
from srlab.bundle import CARD_KEY, ModelCard
from srlab.degradations import Degradation
from srlab.losses import Context, WeightedLoss
from srlab.metrics import psnr, ssim
from srlab.nn.resample import enlarge
from srlab.normalisers import Normaliser
from srlab.super_resolver import SuperResolver
from srlab.training.ema import EMA
from srlab.training.schedule import Schedule

log = logging.getLogger(__name__)

Batch = dict[str, Tensor]


@dataclass(frozen=True)
class Training:
    """How one network is optimised."""

    optimiser: Callable[[Iterable[nn.Parameter]], Optimizer]
    scheduler: Callable[[Optimizer], LRScheduler]


@dataclass(frozen=True)
class Adversary:
    """The discriminator and its game with the generator."""

    discriminator: nn.Module
    objective: Objective
    weight: float
    training: Training


class GAN(LightningModule):
    """Trains a generator, alone first and then against a discriminator; without an adversary, alone throughout.

    `trainer.global_step` is the number of generator updates done, the one number that everything counts in: the
    schedule, the learning rates, validation, checkpoints and the x axis of every curve. One batch is one update.
    """

    def __init__(
        self,
        *,
        generator: nn.Module,
        normaliser: nn.Module,
        loss: WeightedLoss,
        training: Training,
        adversary: Adversary | None,
        schedule: Schedule,
        ema: EMA | None,
        degradation: Degradation,
        data_range: float,
        card: ModelCard,
        seed: int,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.generator = generator
        self.normaliser: Normaliser = normaliser  # type: ignore[assignment]
        self.loss = loss
        self.training_of_generator = training
        self.adversary = adversary
        self.discriminator = adversary.discriminator if adversary else None
        self.schedule = schedule
        self.ema = ema
        self.degradation = degradation
        self.data_range = data_range
        self.card = card
        self.seed = seed

    def super_resolver(self) -> SuperResolver:
        """The model as it is used: the averaged generator, if there is an average, and the normaliser."""
        generator = self.ema.average if self.ema else self.generator
        return SuperResolver(generator=generator, normaliser=self.normaliser, card=self.card)  # type: ignore[arg-type]

    def configure_optimizers(self) -> Any:  # noqa: ANN401 (Lightning's own type is a union of nine)
        """One optimiser and one scheduler for each network."""
        if not any(True for _ in self.generator.parameters()):
            raise ValueError(f"{type(self.generator).__name__} has nothing to train; choose another generator.")
        optimisers = [self.training_of_generator.optimiser(self.generator.parameters())]
        schedulers = [self.training_of_generator.scheduler(optimisers[0])]
        if self.adversary:
            optimisers.append(self.adversary.training.optimiser(self.adversary.discriminator.parameters()))
            schedulers.append(self.adversary.training.scheduler(optimisers[1]))
        return optimisers, schedulers

    def training_step(self, micro_batches: list[Batch], batch_idx: int) -> None:
        """One generator update, and one discriminator update once pretraining is over."""
        step = self.global_step
        self._reseed(step)
        adversary = self.adversary if self.schedule.adversarial(step) else None
        optimisers = self._optimisers()
        for optimiser in optimisers:
            optimiser.zero_grad()
        values: dict[str, Tensor] = {}
        for batch in micro_batches:
            for name, value in self._backward(batch, adversary, step=step, share=1 / len(micro_batches)).items():
                values[name] = values.get(name, 0) + value.detach() / len(micro_batches)
        optimisers[0].step()
        if adversary:
            # Lightning would count this optimiser's steps, too; it sets the hooks anew for every batch.
            optimisers[1]._on_before_step = optimisers[1]._on_after_step = do_nothing_closure
            optimisers[1].step()
        if self.ema:
            self.ema.update(self.generator)
        for scheduler in self._schedulers():
            scheduler.step()
        if self.global_step % self.trainer.log_every_n_steps == 0:  # type: ignore[attr-defined]
            self.record({**values, **self._in_force()})

    def _backward(self, batch: Batch, adversary: Adversary | None, *, step: int, share: float) -> dict[str, Tensor]:
        """Add the gradients of both networks for one micro-batch, and return its losses."""
        lr, hr, valid = self.normaliser.lr(batch["lr"]), self.normaliser.hr(batch["hr"]), batch.get("valid")
        sr = self.generator(lr, *self._noise(lr))
        loss = self.loss(sr, hr, self._context(lr, valid, step))
        values = {f"loss/{name}": value for name, value in loss.terms.items()}
        total = loss.total
        if adversary:
            seen, wanted = (_shown(image, valid) for image in (sr, hr))
            real = adversary.discriminator(wanted).logits
            adversary.discriminator.requires_grad_(False)
            fake = adversary.discriminator(seen).logits
            adversary.discriminator.requires_grad_(True)
            values["loss/adversarial"] = adversary.objective.generator_loss(fake, tuple(r.detach() for r in real))
            total = total + adversary.weight * self.schedule.ramp(step) * values["loss/adversarial"]
        values["loss/generator"] = total
        self.manual_backward(total * share)
        if adversary:
            fake = adversary.discriminator(seen.detach()).logits
            values["loss/discriminator"] = adversary.objective.discriminator_loss(fake, real)
            self.manual_backward(values["loss/discriminator"] * share)
            values["discriminator/real"], values["discriminator/fake"] = _probability(real), _probability(fake)
        return values

    def _noise(self, lr: Tensor) -> tuple[Tensor, ...]:
        """A vector for each image, for a generator that takes one."""
        channels = getattr(self.generator, "noise_channels", None)
        return () if channels is None else (torch.randn(len(lr), channels, device=lr.device),)

    def _context(self, lr: Tensor, valid: Tensor | None, step: int) -> Context:
        return Context(
            lr=lr,
            valid=valid,
            step=step,
            data_range=self.data_range,
            degrade=partial(self.degradation, generator=torch.Generator(device=lr.device).manual_seed(step)),
            denormalise=self.normaliser.inverse,
        )

    def _in_force(self) -> dict[str, float]:
        """What applies from the step now reached on."""
        names = ("generator", "discriminator")
        rates: dict[str, float] = {
            f"lr/{name}": float(scheduler.get_last_lr()[0])
            for name, scheduler in zip(names, self._schedulers(), strict=False)
        }
        weight = self.adversary.weight * self.schedule.ramp(self.global_step) if self.adversary else 0.0
        return {**rates, "weight/adversarial": weight}

    def on_validation_epoch_start(self) -> None:
        """Forget the last validation."""
        self._scores: list[dict[str, Tensor]] = []

    def validation_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Score the averaged generator on one view, in physical units; return its SR."""
        lr, hr, valid = batch["lr"], batch["hr"], batch.get("valid")
        sr: Tensor = self.super_resolver()(lr)
        candidates = {"": sr}
        if lr.shape[1] == hr.shape[1]:
            candidates["_bicubic"] = enlarge(lr, self.card.scale)
        scores = {}
        for name, image in candidates.items():
            for metric in (psnr, ssim):
                scores[f"val/{metric.__name__}{name}"] = metric(image, hr, data_range=self.data_range, valid=valid)
        self._scores.append(scores)
        return sr

    def on_validation_epoch_end(self) -> None:
        """Average over the views; the means can be monitored by name."""
        means = {name: torch.stack([scores[name] for scores in self._scores]).nanmean() for name in self._scores[0]}
        self.log_dict(means, logger=False)
        self.record(means)

    def record(self, values: Mapping[str, float | Tensor]) -> None:
        """Write scalars to every logger at the step now reached."""
        scalars = {name: float(value) for name, value in values.items()}
        for logger in self.loggers:
            logger.log_metrics(scalars, step=self.global_step)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the model card, so that a checkpoint can predict, and what exactness depends on."""
        checkpoint[CARD_KEY] = self.card.to_json()
        checkpoint["conditions"] = self._conditions()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Warn of anything that keeps the resumed run from being the uninterrupted one to the last bit."""
        for name, now in self._conditions().items():
            before = checkpoint["conditions"].get(name)
            if before != now:
                log.warning(
                    "resuming with %s %s, where the run had %s: results may differ in the last bits", name, now, before
                )

    def _conditions(self) -> dict[str, str]:
        return {
            "srlab": srlab.__version__,
            "torch": str(torch.__version__),
            "processes": str(self.trainer.world_size),
            "threads": str(torch.get_num_threads()),
        }

    def _reseed(self, step: int) -> None:
        """Make what is random in a step a function of the step, so that no generator's state need be kept."""
        seed = np.random.SeedSequence([self.seed, step, self.global_rank]).generate_state(1)[0]
        seed_everything(int(seed), verbose=False)

    def _optimisers(self) -> list[LightningOptimizer]:
        optimisers: Any = self.optimizers()  # a list, but for a single one
        return optimisers if isinstance(optimisers, list) else [optimisers]

    def _schedulers(self) -> list[LRScheduler]:
        return [config.scheduler for config in self.trainer.lr_scheduler_configs]


def _shown(image: Tensor, valid: Tensor | None) -> Tensor:
    """What a discriminator may see: hidden pixels are zero in SR and HR alike."""
    return image if valid is None else torch.where(valid, image, 0.0)


def _probability(logits: tuple[Tensor, ...]) -> Tensor:
    return torch.stack([head.detach().sigmoid().mean() for head in logits]).mean()
