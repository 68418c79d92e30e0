"""The dual-optimiser loop, as a thin Lightning module."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from lightning import LightningModule, seed_everything
from lightning.pytorch.core.optimizer import LightningOptimizer, do_nothing_closure
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils import get_total_norm

from srlab.bundle import CARD_KEY, ModelCard
from srlab.super_resolver import SuperResolver
from srlab.training.adversary import Adversary
from srlab.training.conditions import conditions, warn_of_changes
from srlab.training.ema import EMA
from srlab.training.guard import Guard
from srlab.training.optimisation import Training
from srlab.training.schedule import Schedule
from srlab.training.schedulers import Scheduler, Validated
from srlab.training.update import Batch, Losses
from srlab.training.validation import Validation


class GAN(LightningModule):
    """Trains a generator, alone first and then against a discriminator; without an adversary, alone throughout.

    `trainer.global_step` is the number of generator updates done, the one number that everything counts in: the
    schedule, the learning rates, validation, checkpoints and the x axis of every curve. One batch is one update.
    """

    def __init__(
        self,
        *,
        losses: Losses,
        training: Training,
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
        self.generator = losses.generator
        self.normaliser: nn.Module = losses.normaliser  # type: ignore[assignment]
        self.content = losses.content
        self.adversary = adversary
        self.discriminator = adversary.discriminator if adversary else None
        self.training_of_networks = [training, *([adversary.training] if adversary else [])]
        self.schedule = schedule
        self.ema = ema
        self.guard = guard
        self.validation = validation
        self.card = card
        self.seed = seed
        self.register_buffer("latest_penalty", torch.zeros(()))  # it may be taken at fewer steps than are logged

    latest_penalty: Tensor

    @property
    def networks(self) -> dict[str, nn.Module]:
        """The generator and, if there is one, the discriminator."""
        return {"generator": self.generator} | ({"discriminator": self.discriminator} if self.discriminator else {})

    def super_resolver(self) -> SuperResolver:
        """The model as it is used: the averaged generator, if there is an average, and the normaliser."""
        generator = self.ema.on(self.device) if self.ema else self.generator
        return SuperResolver(generator=generator, normaliser=self.normaliser, card=self.card)

    def configure_optimizers(self) -> Any:  # noqa: ANN401 (Lightning's own type is a union of nine)
        """One optimiser and one scheduler for each network."""
        pairs = [
            training.build(network)
            for training, network in zip(self.training_of_networks, self.networks.values(), strict=True)
        ]
        return [optimiser for optimiser, _ in pairs], [scheduler for _, scheduler in pairs]

    def training_step(self, micro_batches: list[Batch], batch_idx: int) -> None:
        """One generator update, and one discriminator update where the schedule has it."""
        step = self.global_step
        self._reseed(step)
        optimisers = self._optimisers()
        for optimiser in optimisers:
            optimiser.zero_grad()
        self.guard.remember(self.networks.values())
        values, finite_samples = self._backward(micro_batches, step)
        norms = self._gradient_norms(values)
        finite = self.guard.judge(step, values | norms, finite_samples)
        for (name, network), training, optimiser in zip(
            self.networks.items(), self.training_of_networks, optimisers, strict=True
        ):
            if f"gradient/{name}" not in norms:
                continue
            if training.clip:
                training.clip([*network.parameters()], norms[f"gradient/{name}"])
            if name == "discriminator":
                # Lightning would count this optimiser's steps, too; it sets the hooks anew for every batch.
                optimiser._on_before_step = optimiser._on_after_step = do_nothing_closure
            self.guard.step(optimiser, finite)
        if self.ema:
            self.ema.update(self.generator, step + 1)
        for scheduler in self._schedulers():
            scheduler.step()
        self._log_update(values | norms)

    def _backward(self, micro_batches: list[Batch], step: int) -> tuple[dict[str, Tensor], Tensor]:
        """Gather the gradients of both networks; return the mean losses, and whose SR is finite."""
        adversary = self.adversary if self.schedule.game(step) else None
        share, weight = 1 / len(micro_batches), self.schedule.share(step)
        valid_count = self._valid_count(micro_batches)
        values: dict[str, Tensor] = {}
        finite = []
        for number, batch in enumerate(micro_batches):
            with self._all_reduce(number == len(micro_batches) - 1):
                forward = self.losses.of_generator(
                    batch, step=step, adversary=adversary, share=weight, valid_count=valid_count
                )
                self.manual_backward(forward.loss * share)
                found = forward.values
                if adversary and self.schedule.discriminator(step):
                    loss, parts = self.losses.of_discriminator(forward, step=step, adversary=adversary)
                    self.manual_backward(loss * share)
                    found |= parts
            values = {name: values.get(name, 0) + share * value.detach() for name, value in found.items()}
            finite.append(forward.finite)
        return values, torch.cat(finite)

    @contextmanager
    def _all_reduce(self, last: bool) -> Iterator[None]:
        """Let ranks exchange gradients only with the last micro-batch."""
        wrapper = self.trainer.model
        if last or not isinstance(wrapper, DistributedDataParallel):
            yield
            return
        with wrapper.no_sync():
            yield

    def _valid_count(self, micro_batches: list[Batch]) -> Tensor | None:
        """Valid pixels of a micro-batch, averaged over the update's and over ranks; None if nothing can be hidden."""
        if self.trainer.world_size == 1 and not any("valid" in batch for batch in micro_batches):
            return None
        counts = [
            batch["valid"].sum() if "valid" in batch else torch.tensor(batch["hr"][:, 0].numel(), device=self.device)
            for batch in micro_batches
        ]
        mean: Tensor = self.trainer.strategy.reduce(torch.stack(counts).float().mean(), reduce_op="mean")
        return mean

    def _gradient_norms(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The total norm of each network's gradients, where it is updated."""
        updated = {"generator", *(["discriminator"] if "loss/discriminator" in values else [])}
        return {
            f"gradient/{name}": get_total_norm([p.grad for p in network.parameters() if p.grad is not None])
            for name, network in self.networks.items()
            if name in updated
        }

    def _log_update(self, values: dict[str, Tensor]) -> None:
        """Log what the update was and what applies from the step now reached on; before any checkpoint of it."""
        if "loss/penalty" in values:
            self.latest_penalty.copy_(values["loss/penalty"])
        if self.global_step % self.trainer.log_every_n_steps:  # type: ignore[attr-defined]
            return
        self.report_bad_updates()
        weights = self.adversary.weights(self.schedule.share(self.global_step)) if self.adversary else {}
        rates = {
            f"lr/{name}": float(scheduler.get_last_lr()[0])
            for name, scheduler in zip(self.networks, self._schedulers(), strict=True)
        }
        penalty = {"loss/penalty": self.latest_penalty} if self.adversary and self.adversary.penalty else {}
        self.record({**values, **penalty, **rates, "weight/adversarial": weights.get("adversarial", 0.0)})

    def report_bad_updates(self) -> None:
        """Raise or warn of updates that were left out; the host waits for the device."""
        self.guard.report(self.trainer.datamodule.positions)  # type: ignore[attr-defined]

    def on_validation_epoch_start(self) -> None:
        """Begin with the model as it is now."""
        self.report_bad_updates()
        self.validation.start(self.super_resolver())

    def validation_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Score one view; return its SR."""
        return self.validation.score(batch)

    def on_validation_epoch_end(self) -> None:
        """Average over the views; the means can be monitored by name."""
        means = self.validation.means()
        self.log_dict(means, logger=False)
        self.record(means)
        for scheduler in self._schedulers():
            if isinstance(scheduler, Validated) and not self.trainer.sanity_checking:
                scheduler.validated({name: float(mean) for name, mean in means.items()})

    def record(self, values: Mapping[str, float | Tensor]) -> None:
        """Write scalars to every logger at the step now reached."""
        scalars = {name: float(value) for name, value in values.items()}
        for logger in self.loggers:
            logger.log_metrics(scalars, step=self.global_step)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the model card, so that a checkpoint can predict, and what exactness depends on."""
        self.report_bad_updates()
        checkpoint[CARD_KEY] = self.card.to_json()
        checkpoint["conditions"] = conditions(self.trainer.world_size)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Warn of anything that keeps the resumed run from being the uninterrupted one to the last bit."""
        warn_of_changes(checkpoint["conditions"], conditions(self.trainer.world_size))

    def _reseed(self, step: int) -> None:
        """Make what is random in a step a function of the step, so that no generator's state need be kept."""
        seed = np.random.SeedSequence([self.seed, step, self.global_rank]).generate_state(1)[0]
        seed_everything(int(seed), verbose=False)

    def _optimisers(self) -> list[LightningOptimizer]:
        optimisers: Any = self.optimizers()  # a list, but for a single one
        return optimisers if isinstance(optimisers, list) else [optimisers]

    def _schedulers(self) -> list[Scheduler]:
        return [config.scheduler for config in self.trainer.lr_scheduler_configs]  # type: ignore[misc]
