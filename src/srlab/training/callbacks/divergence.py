"""Divergence: ends a run whose content loss explodes, and warns of other failures of training."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping
from statistics import median
from typing import TYPE_CHECKING, Any

from lightning import Callback, LightningModule, Trainer
from torch import nn
from torch.utils.hooks import RemovableHandle

from srlab.losses.weighted import LossValue
from srlab.mistakes import Diverged, Mistake

if TYPE_CHECKING:
    from srlab.training.module import GAN

log = logging.getLogger(__name__)

WINDOW = 21
"""The number of logged values whose median is the usual value."""

PSNR_FALL = 6.0
"""The fall of PSNR, in dB, that is a sign of a collapse.

Perceptual training costs less: 2 to 3 dB on Set5 for SRGAN and ESRGAN.
"""

LARGEST_LOSS = 1e30
"""The content loss above which a run ends at once."""


class Divergence(Callback):
    """Ends a run whose content loss explodes, and warns of other failures of training.

    Values are checked at logged steps and at the last step. A loss has exploded if it is more than
    `factor` times its usual value at `patience` of these steps in a row, or above 1e30. The run
    then ends with a `Diverged`, whose message says what may help.

    The usual value of a loss term is the median of its last 21 values; at the start it is the first
    value. The usual loss is the sum of the terms' usual values with their current weights. So a
    term that starts late or is tiny raises no alarm. Values that are too high do not enter the
    median. `srlab.training.guard` handles values that are not finite.

    There are four warnings, each given once:

    - The discriminator tells real from generated images almost surely. Its mean probabilities are
      more than 0.98 apart at `warn_after` logged steps in a row. A `relative` objective gives no
      probabilities, so it never causes this warning.
    - The discriminator does not tell them apart. Its mean probabilities are less than 0.01 apart at
      `warn_after` logged steps in a row, while the adversarial weight has its full value.
    - The norm of a network's gradient is more than `factor` times its usual value.
    - The generator may have collapsed. ``val/psnr`` is 6 dB below its best at `patience`
      validations in a row. Both are taken relative to bicubic interpolation, if that is scored.
      Otherwise a view that becomes exact would look like a collapse (`srlab.metrics.PSNR`).

    Raises a `Mistake` if an argument is out of range.
    """

    def __init__(self, *, factor: float = 100, patience: int = 3, warn_after: int = 30) -> None:
        if factor <= 1 or min(patience, warn_after) < 1:
            raise Mistake(
                f"divergence got factor={factor}, patience={patience}, warn_after={warn_after}; "
                "give a factor > 1 and counts >= 1."
            )

        self.factor = factor
        self.patience = patience
        self.warn_after = warn_after

        self._recent: dict[str, list[float]] = {}
        """The recent values, by name, whose median is the usual value."""

        self._in_row: dict[str, int] = {}
        """The number of checks in a row at which each failure was seen."""

        self._checks = 0
        """The number of checks of the content loss."""

        self._best_gain = -math.inf
        """The largest PSNR so far, minus that of bicubic interpolation."""

        self._warned: list[str] = []
        """The warnings that were given."""

        self._first: LossValue | None = None
        self._latest: LossValue | None = None
        self._hook: RemovableHandle | None = None

    def state_dict(self) -> dict[str, Any]:
        """Return the recent values, the counts of failures, and the warnings that were given."""
        self._note_first()
        return {
            "usual": {name: [*values] for name, values in self._recent.items()},
            "in_row": {**self._in_row},
            "judged": self._checks,
            "gain": self._best_gain,
            "warned": [*self._warned],
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from a state that `state_dict` returned."""
        self._recent = {name: [*values] for name, values in state_dict["usual"].items()}
        self._in_row = {**state_dict["in_row"]}
        self._checks = state_dict["judged"]
        self._best_gain = state_dict["gain"]
        self._warned = [*state_dict["warned"]]

    def on_train_start(self, trainer: Trainer, pl_module: GAN | Any) -> None:
        """Keep the losses of the first and of the latest step, which may not be logged."""
        self._hook = pl_module.content.register_forward_hook(self._keep)

    def _keep(self, module: nn.Module, arguments: object, value: LossValue) -> None:
        self._latest = LossValue(value.total.detach(), value.terms, value.weighted)
        if not self._recent and self._first is None:
            self._first = self._latest

    def _note_first(self) -> None:
        """Make the losses of the first step the usual values; the host waits for the device."""
        if self._first is None:
            return
        for name, value in self._first.terms.items():
            self._recent.setdefault(f"loss/{name}", [float(value)])
        self._first = None

    def on_train_batch_end(self, trainer: Any, pl_module: GAN | Any, *_: object) -> None:
        """Check the values at a logged step and at the last one, on the first process."""
        step = trainer.global_step
        is_logged = step % trainer.log_every_n_steps == 0
        is_last = step >= trainer.max_steps
        if not (is_logged or is_last):
            return

        explosion = None
        if trainer.is_global_zero:
            self._note_first()
            values = pl_module.recorded if is_logged else _by_name(self._latest)
            terms = pl_module.content.entries
            explosion = self._explosion(values, terms, step, is_last=is_last)
            if is_logged:
                self._check_gradients(values)
                self._check_discriminator(values, pl_module, step)

        # All processes raise the error.
        explosion = trainer.strategy.broadcast(explosion)
        if explosion is not None:
            raise Diverged(explosion)

    def _explosion(
        self, values: Mapping[str, float], terms: Iterable[str], step: int, *, is_last: bool
    ) -> str | None:
        """Return the message on a content loss that has exploded; None if it has not."""
        weighted = {}
        for term in terms:
            if f"loss/{term}" in values:
                weighted[f"loss/{term}"] = values[f"weighted/{term}"]
        total = _magnitude(weighted)
        if not math.isfinite(total):
            return None
        self._checks += 1

        # Terms without a usual value are left out of the comparison.
        known = {name: value for name, value in weighted.items() if name in self._recent}
        usual = 0.0
        for name, value in known.items():
            if values[name]:
                current_weight = abs(value / values[name])
                usual += current_weight * self._median(name)
        is_too_high = 0 < self.factor * usual < _magnitude(known)
        if total < LARGEST_LOSS and not self._count("content", is_too_high):
            for name in weighted:
                self._add(name, values[name])
            return None

        # A short run may end before `patience` checks.
        patience = self.patience
        if is_last:
            patience = min(patience, self._checks)
        if total < LARGEST_LOSS and self._in_row["content"] < patience:
            return None
        return (
            f"training has diverged: after {step} updates the content loss is {total:.3g}, but "
            f"usually it is {usual:.3g}; in a new run, lower optimiser.generator.lr, warm it up "
            "(scheduler@scheduler.generator=warmup) or clip gradients "
            "(clipping@clipping.generator=norm)."
        )

    def _check_gradients(self, values: Mapping[str, float]) -> None:
        """Warn if the norm of a network's gradient is far above its usual value."""
        for network in ("generator", "discriminator"):
            name = f"gradient/{network}"
            norm = values.get(name, math.nan)
            if not math.isfinite(norm):
                continue
            has_usual_value = len(self._recent.get(name, [])) > WINDOW // 2
            if not has_usual_value or norm <= self.factor * self._median(name):
                self._add(name, norm)
                continue
            self._warn(
                name,
                f"the norm of the {network}'s gradient is {norm:.3g}, but usually it is "
                f"{self._median(name):.3g}; if it stays so large, clip the gradient "
                f"(clipping@clipping.{network}=norm) or lower optimiser.{network}.lr.",
            )

    def _check_discriminator(
        self, values: Mapping[str, float], pl_module: GAN | Any, step: int
    ) -> None:
        """Warn if the discriminator is far too strong or too weak."""
        if "discriminator/real" not in values or pl_module.adversary is None:
            return
        gap = values["discriminator/real"] - values["discriminator/fake"]

        # A third party's objective may lack the attribute.
        relative = getattr(pl_module.adversary.objective, "relative", False)
        if self._count("won", gap > 0.98 and not relative) >= self.warn_after:
            self._warn(
                "won",
                "the discriminator tells real from generated images almost surely, which teaches "
                "the generator little; lower optimiser.discriminator.lr, train it at every second "
                "update (schedule.discriminator_every=2), smooth its labels "
                "(adversarial.objective.label_smoothing=0.1) or use penalty=r1.",
            )

        has_full_weight = pl_module.schedule.share(step) >= 1
        if self._count("idle", has_full_weight and abs(gap) < 0.01) >= self.warn_after:
            self._warn(
                "idle",
                "the discriminator does not tell real from generated images, so the generator "
                "learns nothing from it; raise optimiser.discriminator.lr, give it more channels, "
                "or let it learn before pretraining ends (schedule.discriminator_warmup_steps).",
            )

    def on_validation_end(self, trainer: Trainer, pl_module: GAN | Any) -> None:
        """Warn if PSNR, relative to bicubic interpolation, is far below its best value."""
        psnr = pl_module.logged.get("val/psnr", math.nan)
        bicubic = pl_module.logged.get("val/psnr_bicubic", 0.0)
        gain = psnr - bicubic
        if trainer.sanity_checking or not trainer.is_global_zero or not math.isfinite(gain):
            return

        self._best_gain = max(self._best_gain, gain)
        has_fallen = gain < self._best_gain - PSNR_FALL
        if self._count("fallen", has_fallen) >= self.patience:
            self._warn(
                "fallen",
                f"validation has fallen from {self._best_gain + bicubic:.2f} to {psnr:.2f} dB PSNR "
                "and stays there: the generator may have collapsed; start a new run with a lower "
                "adversarial.weight or lower learning rates, from weights=checkpoints/best.ckpt of "
                "this run if you like.",
            )

    def _count(self, name: str, happened: bool) -> int:
        """Return the number of checks in a row at which a failure happened, including this one."""
        count = 0
        if happened:
            count = self._in_row.get(name, 0) + 1
        self._in_row[name] = count
        return count

    def _median(self, name: str) -> float:
        return median(self._recent[name])

    def _add(self, name: str, value: float) -> None:
        """Add a value to the recent ones, of which the last `WINDOW` are kept."""
        values = [*self._recent.get(name, []), value]
        self._recent[name] = values[-WINDOW:]

    def _warn(self, name: str, message: str) -> None:
        """Log a warning, unless it was given before."""
        if name not in self._warned:
            self._warned.append(name)
            log.warning(message)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Stop keeping losses."""
        if self._hook is not None:
            self._hook.remove()


def _magnitude(weighted: Mapping[str, float]) -> float:
    """Return the sum of the terms' absolute values."""
    return sum(abs(value) for value in weighted.values())


def _by_name(value: LossValue | None) -> dict[str, float]:
    """Return the values of a content loss by their logged names; the host waits for the device."""
    values: dict[str, float] = {}
    if value is not None:
        values |= {f"loss/{name}": float(term) for name, term in value.terms.items()}
        values |= {f"weighted/{name}": float(term) for name, term in value.weighted.items()}
    return values
