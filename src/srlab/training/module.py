"""The dual-optimiser loop, as a thin Lightning module."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import Any

from lightning import LightningModule
from lightning.pytorch.core.optimizer import LightningOptimizer, do_nothing_closure
from torch import Tensor, nn
from torch.nn.utils import get_total_norm

from srlab.models.bundle import CARD_KEY, ModelCard
from srlab.models.super_resolver import SuperResolver
from srlab.training.adversary import OF_DISCRIMINATOR, Adversary
from srlab.training.ema import EMA
from srlab.training.guard import Guard
from srlab.training.latest import Latest
from srlab.training.losses import Batch, Gathered, Losses
from srlab.training.optimisers.loss_scale import LossScale
from srlab.training.optimisers.optimisation import Training
from srlab.training.optimisers.schedulers import Scheduler, Validated
from srlab.training.processes.conditions import conditions, warn_of_changes
from srlab.training.processes.ranks import (
    average,
    check_strategy,
    keep_to_each,
    no_exchange,
    reseed,
)
from srlab.training.schedule import Schedule
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
        self.training_of = {"generator": training} | (
            {"discriminator": adversary.training} if adversary else {}
        )
        self.schedule = schedule
        self.ema = ema
        self.guard = guard
        self.validation = validation
        self.card = card
        self.seed = seed
        self.latest = Latest(OF_DISCRIMINATOR if adversary else ())
        self.logged: dict[str, float] = {}
        """The latest value of every scalar that was logged."""

    recorded: dict[str, float]
    """The scalars of the latest logging step."""

    @property
    def networks(self) -> dict[str, nn.Module]:
        """The generator and, if there is one, the discriminator."""
        return {"generator": self.generator} | (
            {"discriminator": self.discriminator} if self.discriminator else {}
        )

    def super_resolver(self) -> SuperResolver:
        """The model as it is used: the averaged generator, if there is an average, and the normaliser."""
        generator = self.ema.on(self.device) if self.ema else self.generator
        return SuperResolver(generator=generator, normaliser=self.normaliser, card=self.card)

    def setup(self, stage: str) -> None:
        """Refuse a strategy that cannot do it; a ``ValueError``."""
        check_strategy(self.trainer.strategy)
        if self.ema:
            keep_to_each(self, "ema")

    def configure_optimizers(self) -> Any:
        """One optimiser and one scheduler for each network."""
        pairs = [self.training_of[name].build(network) for name, network in self.networks.items()]
        return [optimiser for optimiser, _ in pairs], [scheduler for _, scheduler in pairs]

    def training_step(self, micro_batches: list[Batch], batch_idx: int) -> None:
        """One generator update, and one discriminator update where the schedule has it."""
        step = self.global_step
        reseed(self.seed, step, self.global_rank)
        for optimiser in self._optimisers().values():
            optimiser.zero_grad()
        self.guard.remember(self.networks.values())
        with no_exchange(self.trainer.model):  # all at once in the end
            gathered = self.losses.gather(
                micro_batches,
                self.manual_backward,
                step=step,
                adversary=self.adversary,
                schedule=self.schedule,
            )
        values = self._update(gathered, step)
        if self.ema:
            self.ema.update(self.generator, step + 1)
        for scheduler in self._schedulers():
            scheduler.step()
        self._log_update(values)

    def _update(self, gathered: Gathered, step: int) -> dict[str, Tensor]:
        """Update the networks that have gradients; return what there is to log, the same on all ranks."""
        values = dict(gathered.values)
        updated = ["generator", *(["discriminator"] if "loss/discriminator" in values else [])]
        networks = {name: self.networks[name] for name in updated}
        gradients = {
            name: [p.grad for p in net.parameters() if p.grad is not None]
            for name, net in networks.items()
        }
        statistics = [
            b for net in self.networks.values() for b in net.buffers() if b.is_floating_point()
        ]
        average([*values.values(), *chain(*gradients.values()), *statistics])
        optimisers = self._optimisers()
        scale = LossScale(getattr(self.trainer.precision_plugin, "scaler", None))
        scale.unscale(optimisers[name].optimizer for name in updated)
        norms = {f"gradient/{name}": get_total_norm(own) for name, own in gradients.items()}
        overflowed = scale.overflowed(values.values(), norms.values())
        finite = self.guard.judge(step, values | norms, gathered.finite, overflowed)
        for name, network in networks.items():
            training, optimiser, go = self.training_of[name], optimisers[name], finite
            if training.clip:
                training.clip([*network.parameters()], norms[f"gradient/{name}"])
            if name == "discriminator":
                # Lightning would count this optimiser's steps, too; it sets the hooks anew for every batch.
                optimiser._on_before_step = optimiser._on_after_step = do_nothing_closure
                paused = self.schedule.paused(values)
                if paused is not None:
                    values["discriminator/paused"] = paused.float()
                    go = finite & ~paused
            self.guard.step(optimiser, go)
        scale.update()
        return values | norms

    def _log_update(self, values: dict[str, Tensor]) -> None:
        """Log what the update was and what applies from the step now reached on; before any checkpoint of it."""
        self.latest.note(values)
        if self.global_step % self.trainer.log_every_n_steps:  # type: ignore[attr-defined]
            return
        self.report_bad_updates()
        weights = (
            self.adversary.weights(self.schedule.share(self.global_step)) if self.adversary else {}
        )
        rates = {
            f"lr/{name}": float(scheduler.get_last_lr()[0])
            for name, scheduler in zip(self.networks, self._schedulers(), strict=True)
        }
        latest = self.latest.known()
        self.record(
            {**values, **latest, **rates, "weight/adversarial": weights.get("adversarial", 0.0)}
        )

    def report_bad_updates(self) -> None:
        """Raise or warn of updates that were left out; the host waits for the device."""
        self.guard.report(self.trainer.datamodule.positions)  # type: ignore[attr-defined]

    def on_validation_epoch_start(self) -> None:
        """Begin with the model as it is now."""
        self.report_bad_updates()
        learnt = self.global_step > self.schedule.discriminator_start
        self.validation.start(self.super_resolver(), self.adversary if learnt else None)

    def validation_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Score one view; return its SR."""
        return self.validation.score(batch, number=self.trainer.datamodule.view(batch_idx))  # type: ignore[attr-defined]

    def on_validation_epoch_end(self) -> None:
        """Average over the views of all ranks; whatever was logged last can be monitored by name."""
        self.record(self.validation.means())
        self.log_dict(self.logged, logger=False)
        for scheduler in self._schedulers():
            if isinstance(scheduler, Validated) and not self.trainer.sanity_checking:
                scheduler.validated(self.logged)

    def record(self, values: Mapping[str, float | Tensor]) -> None:
        """Write scalars to every logger at the step now reached."""
        self.recorded = {name: float(value) for name, value in values.items()}
        self.logged |= self.recorded
        for logger in self.loggers:
            logger.log_metrics(self.recorded, step=self.global_step)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the model card, so that a checkpoint can predict, and what exactness depends on."""
        self.report_bad_updates()
        checkpoint[CARD_KEY] = self.card.to_json()
        checkpoint["conditions"] = conditions(self.trainer.world_size)
        checkpoint["logged"] = dict(self.logged)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Warn of anything that keeps the resumed run from being the uninterrupted one to the last bit."""
        warn_of_changes(checkpoint["conditions"], conditions(self.trainer.world_size))
        self.logged = dict(checkpoint["logged"])

    def _optimisers(self) -> dict[str, LightningOptimizer]:
        optimisers: Any = self.optimizers()  # a list, but for a single one
        return dict(
            zip(
                self.networks,
                optimisers if isinstance(optimisers, list) else [optimisers],
                strict=True,
            )
        )

    def _schedulers(self) -> list[Scheduler]:
        return [config.scheduler for config in self.trainer.lr_scheduler_configs]  # type: ignore[misc]
