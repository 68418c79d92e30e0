"""GAN: the Lightning module with the training loop over two optimisers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
from srlab.training.losses import Batch, Losses, count_valid
from srlab.training.optimisers.loss_scale import LossScale
from srlab.training.optimisers.optimisation import Optimisation
from srlab.training.optimisers.schedulers import Scheduler, Validated
from srlab.training.processes.conditions import conditions, warn_of_changes
from srlab.training.processes.ranks import (
    average,
    keep_to_each,
    no_exchange,
    reseed,
)
from srlab.training.processes.strategy import check_strategy
from srlab.training.schedule import Schedule
from srlab.training.validation import Validation


class GAN(LightningModule):
    """Trains a generator, at first alone and then against a discriminator.

    Without an adversary the generator always trains alone. One batch is one generator update, and
    `trainer.global_step` is the number of these updates. All else counts in it: the schedule, the
    learning rates, validation, checkpoints and the x axis of every curve.
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
        """The latest value of every scalar that was logged."""

    recorded: dict[str, float]
    """The scalars of the latest logging step."""

    @property
    def networks(self) -> dict[str, nn.Module]:
        """The generator and, if there is one, the discriminator."""
        networks = {"generator": self.generator}
        if self.discriminator:
            networks["discriminator"] = self.discriminator
        return networks

    def super_resolver(self) -> SuperResolver:
        """The model to validate and save: the normaliser, and the averaged generator if any."""
        generator = self.ema.on(self.device) if self.ema else self.generator
        return SuperResolver(
            generator=generator,
            normaliser=self.normaliser,
            card=self.card,
            agreement=self.losses.agreement,
        )

    def setup(self, stage: str) -> None:
        """Raise a `Mistake` if the trainer's strategy cannot train two networks in turns."""
        check_strategy(self.trainer.strategy)
        if self.ema:
            keep_to_each(self, "ema")

    def configure_optimizers(self) -> Any:
        """Build one optimiser and one scheduler for each network."""
        pairs = [self.training_of[name].build(network) for name, network in self.networks.items()]
        return [optimiser for optimiser, _ in pairs], [scheduler for _, scheduler in pairs]

    def training_step(self, micro_batches: list[Batch], batch_idx: int) -> None:
        """Update the generator once, and the discriminator if the schedule says so."""
        step, schedule, optimisers = self.global_step, self.schedule, self._optimisers()
        reseed(self.seed, step, self.global_rank)
        for optimiser in optimisers.values():
            optimiser.zero_grad()
        self.guard.remember(self.networks.values())
        adversary = self.adversary if schedule.game(step) else None
        networks, learns = {"generator": self.generator}, schedule.discriminator(step)
        if adversary and learns:
            networks["discriminator"] = adversary.discriminator

        # Gradients add up over micro-batches; the exchange between ranks comes after the last one.
        valid_count, part = count_valid(micro_batches), 1 / len(micro_batches)
        values: dict[str, Tensor] = {}
        finite_samples = []
        with no_exchange(self.trainer.model):
            for batch in micro_batches:
                images = self.losses.forward(batch, valid_count)
                finite_samples.append(images.finite)

                # The generator's loss: the content, and the game where it is on.
                side = self.losses.content_side(images, step)
                if adversary:
                    sr, hr = images.visible()
                    real = adversary.discriminator(hr)
                    share, anything = schedule.share(step), images.anything
                    side = adversary.generator_side(side, sr, real, share=share, anything=anything)
                if not side.loss.requires_grad:
                    raise Mistake(
                        f"after {step} updates no loss term counts; see the terms' start_step and "
                        "stop_step."
                    )
                self.manual_backward(side.loss * part)
                batch_values = side.values

                # The discriminator's loss, of the same SR.
                if adversary and learns:
                    done = schedule.discriminator_updates(step)
                    side = adversary.discriminator_side(sr, hr, real, done)
                    self.manual_backward(side.loss * anything * part)
                    batch_values = batch_values | side.values
                for name, value in batch_values.items():
                    values[name] = values.get(name, 0) + part * value.detach()

        # Losses, gradients and statistics are averaged over ranks, and judged on the device.
        gradients = {name: _gradients(network) for name, network in networks.items()}
        average([*values.values(), *chain(*gradients.values()), *self._statistics()])
        scale = LossScale(getattr(self.trainer.precision_plugin, "scaler", None))
        scale.unscale(optimisers[name].optimizer for name in networks)
        norms = {f"gradient/{name}": get_total_norm(own) for name, own in gradients.items()}
        overflowed = scale.overflowed(values.values(), norms.values())
        finite = self.guard.judge(step, values | norms, torch.cat(finite_samples), overflowed)

        # Each network is updated, unless something was not finite.
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
            # Otherwise Lightning would count its steps, too. It sets these hooks for every batch.
            optimiser._on_before_step = optimiser._on_after_step = do_nothing_closure
            self.guard.step(optimiser, finite)
        scale.update()
        if self.ema:
            self.ema.update(self.generator, step + 1)
        for scheduler in self._schedulers():
            scheduler.step()
        self._log_update(values | norms)

    def _log_update(self, values: dict[str, Tensor]) -> None:
        """Log an update, with the learning rates and the weight of the next one.

        This comes before a checkpoint of the step is written.
        """
        self.latest.note(values)
        if self.global_step % self._run.log_every_n_steps:
            return
        self.report_bad_updates()
        weight = 0.0
        if self.adversary:
            weight = self.adversary.weights(self.schedule.share(self.global_step))["adversarial"]
        rates = {
            f"lr/{name}": float(scheduler.get_last_lr()[0])
            for name, scheduler in zip(self.networks, self._schedulers(), strict=True)
        }
        self.record({**values, **self.latest.known(), **rates, "weight/adversarial": weight})

    def report_bad_updates(self) -> None:
        """Raise or warn if updates were skipped; the host waits for the device."""
        self.guard.report(self._run.datamodule.positions)

    def on_validation_epoch_start(self) -> None:
        """Start a validation of the current model."""
        self.report_bad_updates()
        learnt = self.global_step > self.schedule.discriminator_start
        self.validation.start(self.super_resolver(), self.adversary if learnt else None)

    def validation_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Score one view; return its SR."""
        return self.validation.score(batch, number=self._run.datamodule.view(batch_idx))

    def on_validation_epoch_end(self) -> None:
        """Average over the views of all ranks, and pass the scores to callbacks and schedulers.

        Callbacks can monitor the latest value of everything that was logged, by its name.
        """
        self.record(self.validation.means())
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
        """Write scalars to every logger at the current step."""
        self.recorded = {name: float(value) for name, value in values.items()}
        self.logged |= self.recorded
        for logger in self.loggers:
            logger.log_metrics(self.recorded, step=self.global_step)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the model card, for prediction, and the conditions for an exact resume."""
        self.report_bad_updates()
        checkpoint[CARD_KEY] = self.card.to_json()
        checkpoint["conditions"] = conditions(self.trainer.world_size)
        checkpoint["logged"] = dict(self.logged)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Warn if the resumed run may differ from the uninterrupted one in the last bits."""
        warn_of_changes(checkpoint["conditions"], conditions(self.trainer.world_size))
        self.logged = dict(checkpoint["logged"])

    @property
    def _run(self) -> Any:
        """The trainer, without annotations, since Lightning does not declare all attributes."""
        return self.trainer

    def _optimisers(self) -> dict[str, LightningOptimizer]:
        optimisers: Any = self.optimizers()
        if self.discriminator is None:  # Lightning gives a single one without a list
            optimisers = [optimisers]
        return dict(zip(self.networks, optimisers, strict=True))

    def _schedulers(self) -> list[Scheduler]:
        return [config.scheduler for config in self._run.lr_scheduler_configs]

    def _statistics(self) -> Iterator[Tensor]:
        """The buffers that forward passes change on each rank, such as those of batch norm."""
        for network in self.networks.values():
            yield from (buffer for buffer in network.buffers() if buffer.is_floating_point())


def _gradients(network: nn.Module) -> list[Tensor]:
    return [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
