"""GAN: the Lightning module that trains a generator and a discriminator in turns."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import Any, cast

import torch
from lightning import LightningModule
from lightning.pytorch.core.optimizer import LightningOptimizer, do_nothing_closure
from torch import Tensor, nn
from torch.nn.utils import get_total_norm

from srlab.mistakes import Mistake
from srlab.models.bundle import CARD_KEY
from srlab.models.card import ModelCard
from srlab.models.super_resolver import SuperResolver
from srlab.training.adversary import DISCRIMINATOR_VALUES, Adversary
from srlab.training.ema import EMA
from srlab.training.guard import Guard
from srlab.training.latest import Latest
from srlab.training.losses import Batch, Losses, NetworkLoss, count_valid
from srlab.training.optimisers.loss_scale import LossScale
from srlab.training.optimisers.optimisation import Optimisation
from srlab.training.optimisers.schedulers import Scheduler, Validated
from srlab.training.processes.conditions import conditions, warn_of_changes
from srlab.training.processes.ranks import (
    average,
    keep_out_of_ddp,
    no_exchange,
    reseed,
)
from srlab.training.processes.strategy import check_strategy
from srlab.training.schedule import Schedule
from srlab.training.validation import Validation


class GAN(LightningModule):
    """Trains a generator, at first alone and then against a discriminator.

    Without an adversary, the generator always trains alone. One batch is one generator update.

    The step `trainer.global_step` is the number of generator updates done. The schedule, learning
    rates, validation, checkpoints and the x axis of every curve are all counted in steps.
    """

    def __init__(
        self,
        *,
        losses: Losses,
        training: Optimisation,
        adversary: Adversary | None,
        schedule: Schedule,
        ema: EMA | None,
        guard: Guard,
        validation: Validation,
        card: ModelCard,
        seed: int,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False

        self.losses = losses
        self.generator = cast(nn.Module, losses.generator)
        self.normaliser = cast(nn.Module, losses.normaliser)
        self.content = losses.content

        self.adversary = adversary
        self.discriminator: nn.Module | None = None
        self.training_of = {"generator": training}
        self.latest = Latest(())
        if adversary:
            self.discriminator = adversary.discriminator
            self.training_of["discriminator"] = adversary.training
            self.latest = Latest(DISCRIMINATOR_VALUES)

        self.schedule = schedule
        self.ema = ema
        self.guard = guard
        self.validation = validation
        self.card = card
        self.seed = seed

        self.logged: dict[str, float] = {}
        """The latest value of every scalar that was logged, by name."""

    recorded: dict[str, float]
    """The scalars that were logged last, by name."""

    @property
    def networks(self) -> dict[str, nn.Module]:
        """The generator and, if there is one, the discriminator."""
        networks = {"generator": self.generator}
        if self.discriminator:
            networks["discriminator"] = self.discriminator
        return networks

    def super_resolver(self) -> SuperResolver:
        """Return the model to validate and save; it has the averaged weights if there are any."""
        generator = self.generator
        if self.ema:
            generator = self.ema.on(self.device)
        return SuperResolver(
            generator=generator,
            normaliser=self.normaliser,
            card=self.card,
            agreement=self.losses.agreement,
        )

    def setup(self, stage: str) -> None:
        """Raise a `Mistake` if the trainer's strategy cannot train two networks in turns."""
        check_strategy(self.trainer.strategy)
        if self.ema:  # Every rank averages the weights for itself.
            keep_out_of_ddp(self, "ema")

    def configure_optimizers(self) -> Any:
        """Build one optimiser and one scheduler for each network."""
        optimisers = []
        schedulers = []
        for name, network in self.networks.items():
            optimiser, scheduler = self.training_of[name].build(network)
            optimisers.append(optimiser)
            schedulers.append(scheduler)
        return optimisers, schedulers

    def training_step(self, micro_batches: list[Batch], batch_idx: int) -> None:
        """Update the generator once, and the discriminator if the schedule says so."""
        step = self.global_step
        schedule = self.schedule
        optimisers = self._optimisers()

        # Pretraining leaves the discriminator out.
        adversary = self.adversary if schedule.runs_discriminator(step) else None
        trains_discriminator = schedule.trains_discriminator(step)
        share = schedule.share(step)
        networks = {"generator": self.generator}
        if adversary and trains_discriminator:
            networks["discriminator"] = adversary.discriminator

        # Random numbers depend on the step and the rank alone, so that a resumed run repeats them.
        reseed(self.seed, step, self.global_rank)
        for optimiser in optimisers.values():
            optimiser.zero_grad()
        self.guard.remember_buffers(self.networks.values())

        # Gradients add up over the micro-batches. Ranks average them once, after the last one.
        part = 1 / len(micro_batches)
        valid_count = count_valid(micro_batches)
        values: dict[str, Tensor] = {}
        finite_samples = []
        with no_exchange(self.trainer.model):
            for batch in micro_batches:
                images = self.losses.forward(batch, valid_count)
                finite_samples.append(images.finite)

                # The generator's loss is the content loss, plus adversarial terms if they count.
                generator_loss = self.losses.content_loss(images, step)
                if adversary:
                    sr, hr = images.visible()
                    real = adversary.discriminator(hr)
                    any_valid = images.any_valid
                    generator_loss = adversary.generator_loss(
                        generator_loss, sr, real, share=share, any_valid=any_valid
                    )
                _check_that_a_term_counts(generator_loss, step)
                self.manual_backward(generator_loss.total * part)
                batch_values = generator_loss.values

                # The discriminator's loss compares the same SR with HR.
                if adversary and trains_discriminator:
                    update = schedule.discriminator_updates(step)
                    discriminator_loss = adversary.discriminator_loss(sr, hr, real, update)
                    self.manual_backward(discriminator_loss.total * any_valid * part)
                    batch_values = batch_values | discriminator_loss.values

                for name, value in batch_values.items():
                    values[name] = values.get(name, 0) + part * value.detach()

        # Losses, gradients and batch-norm statistics are averaged over the ranks.
        gradients = {name: _gradients(network) for name, network in networks.items()}
        average([*values.values(), *chain(*gradients.values()), *self._statistics()])

        # The guard decides on the device whether all of them are finite; the host does not wait.
        loss_scale = LossScale(getattr(self.trainer.precision_plugin, "scaler", None))
        loss_scale.unscale(optimisers[name].optimizer for name in networks)
        norms = {f"gradient/{name}": get_total_norm(own) for name, own in gradients.items()}
        overflowed = loss_scale.overflowed(values.values(), norms.values())
        finite = self.guard.judge(step, values | norms, torch.cat(finite_samples), overflowed)

        for name, network in networks.items():
            clip = self.training_of[name].clip
            if clip:
                clip([*network.parameters()], norms[f"gradient/{name}"])

        self.guard.step(optimisers["generator"], finite)
        if "discriminator" in networks:
            paused = schedule.paused(values)
            if paused is not None:
                values["discriminator/paused"] = paused.float()
                finite = finite & ~paused
            optimiser = optimisers["discriminator"]
            # Lightning sets these hooks for every batch. They would count this step, too.
            optimiser._on_before_step = do_nothing_closure
            optimiser._on_after_step = do_nothing_closure
            self.guard.step(optimiser, finite)

        loss_scale.update()
        if self.ema:
            self.ema.update(self.generator, step + 1)
        for scheduler in self._schedulers():
            scheduler.step()
        self._log_update(values | norms)

    def _log_update(self, values: dict[str, Tensor]) -> None:
        """Log an update's values, with the learning rates and adversarial weight of the next one.

        The values are logged before a checkpoint of the step is written.
        """
        self.latest.note(values)
        if self.global_step % self._untyped_trainer.log_every_n_steps != 0:
            return
        self.report_bad_updates()

        weight = 0.0
        if self.adversary:
            share = self.schedule.share(self.global_step)
            weight = self.adversary.weights(share)["adversarial"]
        rates = {}
        for name, scheduler in zip(self.networks, self._schedulers(), strict=True):
            rates[f"lr/{name}"] = float(scheduler.get_last_lr()[0])

        self.record({**values, **self.latest.known(), **rates, "weight/adversarial": weight})

    def report_bad_updates(self) -> None:
        """Raise an error or warn if updates were skipped; the host waits for the device."""
        self.guard.report(self._untyped_trainer.datamodule.positions)

    def on_validation_epoch_start(self) -> None:
        """Start a validation of the current model."""
        self.report_bad_updates()
        has_learnt = self.global_step > self.schedule.discriminator_start
        adversary = self.adversary if has_learnt else None
        self.validation.start(self.super_resolver(), adversary)

    def validation_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Score one view, and return its SR."""
        number = self._untyped_trainer.datamodule.view(batch_idx)
        return self.validation.score(batch, number=number)

    def on_validation_epoch_end(self) -> None:
        """Average the scores of all ranks' views, and pass them to callbacks and schedulers.

        Callbacks can monitor the latest value of everything that was logged, by its name.
        """
        self.record(self.validation.means())
        # Lightning shows these values to callbacks. The loggers have them already.
        self.log_dict(self.logged, logger=False)
        for scheduler in self._schedulers():
            if isinstance(scheduler, Validated) and not self.trainer.sanity_checking:
                scheduler.validated(self.logged)

    def predict_step(self, batch: Tensor | Batch, batch_idx: int) -> Tensor:
        """Return SR ``(B, C', *S·scale)`` of LR ``(B, C, *S)``, or of a batch with the key ``lr``.

        Values are in physical units. The averaged weights are used if there are any.
        """
        model = self.super_resolver().eval()
        if isinstance(batch, Tensor):
            return cast(Tensor, model(batch))
        return cast(Tensor, model(batch["lr"], scene=batch.get("scene")))

    def record(self, values: Mapping[str, float | Tensor]) -> None:
        """Send scalars to every logger at the current step."""
        self.recorded = {name: float(value) for name, value in values.items()}
        self.logged |= self.recorded
        for logger in self.loggers:
            logger.log_metrics(self.recorded, step=self.global_step)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the model card, the conditions of this run, and the latest logged values.

        Prediction needs the card. An exact resume needs the same conditions.
        """
        self.report_bad_updates()
        checkpoint[CARD_KEY] = self.card.to_json()
        checkpoint["conditions"] = conditions(self.trainer.world_size)
        checkpoint["logged"] = dict(self.logged)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Warn if the resumed run may differ from the uninterrupted one in the last bits."""
        warn_of_changes(checkpoint["conditions"], conditions(self.trainer.world_size))
        self.logged = dict(checkpoint["logged"])

    @property
    def _untyped_trainer(self) -> Any:
        """The trainer as ``Any``, since Lightning does not annotate all of its attributes."""
        return self.trainer

    def _optimisers(self) -> dict[str, LightningOptimizer]:
        """Return the optimiser of each network, by the network's name."""
        optimisers: Any = self.optimizers()
        if self.discriminator is None:  # Lightning returns a single optimiser without a list.
            optimisers = [optimisers]
        return dict(zip(self.networks, optimisers, strict=True))

    def _schedulers(self) -> list[Scheduler]:
        """Return the learning-rate schedulers, in the order of `networks`."""
        return [config.scheduler for config in self._untyped_trainer.lr_scheduler_configs]

    def _statistics(self) -> list[Tensor]:
        """Return the buffers that forward passes change, such as running means of batch norm."""
        buffers = chain(*(network.buffers() for network in self.networks.values()))
        return [buffer for buffer in buffers if buffer.is_floating_point()]


def _gradients(network: nn.Module) -> list[Tensor]:
    return [parameter.grad for parameter in network.parameters() if parameter.grad is not None]


def _check_that_a_term_counts(loss: NetworkLoss, step: int) -> None:
    """Raise a `Mistake` if no loss term counts at this step, so that there is no gradient."""
    if not loss.total.requires_grad:
        raise Mistake(
            f"after {step} updates no loss term counts; change start_step or stop_step of a term, "
            "so that one counts in every update."
        )
