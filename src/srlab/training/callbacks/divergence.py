"""Watch over a run: content losses that explode, discriminators that win or give up."""

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

FALL = 6.0
"""Decibels: more than what perceptual training costs (SRGAN and ESRGAN: 2 to 3 on Set5)."""

BEYOND = 1e30
"""A content loss that is never good."""


class Divergence(Callback):
    """Stops a run whose content loss explodes, and warns of a game or gradients that go wrong.

    Checked are the values at logged steps and at the last step. A loss has exploded when it is
    `factor` times its usual value at `patience` of these steps in a row, or above 1e30. The run
    then ends with a `Diverged`, which says what may help.

    The usual value of a term is the median of its last 21 values; at the start it is the first
    value. The usual loss is the sum of these with the current weights, so a term that starts late
    or is tiny raises no alarm. Values that are too high do not enter the median. Values that are
    not finite are left to `srlab.training.guard`.

    There are four warnings, each given once:

    - The discriminator tells real from generated images almost surely. Its mean probabilities are
      more than 0.98 apart at `warn_after` logged steps in a row. A `relative` objective gives no
      probabilities, and this warning is left out.
    - The discriminator does not tell them apart. Its mean probabilities are less than 0.01 apart at
      `warn_after` logged steps in a row, with the adversarial weight in full force.
    - The norm of a network's gradient is `factor` times the usual.
    - The generator may have collapsed: ``val/psnr`` is 6 dB below its best at `patience`
      validations in a row. Both are taken above bicubic interpolation, if that is scored, since
      PSNR falls for both when a view becomes exact (`srlab.metrics.PSNR`).
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
        self._usual: dict[str, list[float]] = {}
        self._in_row: dict[str, int] = {}
        self._judged = 0
        self._peak = -math.inf  # of PSNR above that of bicubic interpolation
        self._warned: list[str] = []
        self._first: LossValue | None = None
        self._latest: LossValue | None = None
        self._hook: RemovableHandle | None = None

    def state_dict(self) -> dict[str, Any]:
        """Return the usual values, the suspicions in force, and the warnings given."""
        self._note_first()
        return {
            "usual": {name: [*values] for name, values in self._usual.items()},
            "in_row": {**self._in_row},
            "judged": self._judged,
            "gain": self._peak,
            "warned": [*self._warned],
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self._usual = {name: [*values] for name, values in state_dict["usual"].items()}
        self._in_row = {**state_dict["in_row"]}
        self._judged = state_dict["judged"]
        self._peak = state_dict["gain"]
        self._warned = [*state_dict["warned"]]

    def on_train_start(self, trainer: Trainer, pl_module: GAN | Any) -> None:
        """Listen for the losses of the very first and of the last step, which may not be logged."""
        self._hook = pl_module.content.register_forward_hook(self._listen)

    def _listen(self, module: nn.Module, arguments: object, value: LossValue) -> None:
        self._latest = LossValue(value.total.detach(), value.terms, value.weighted)
        if not self._usual and self._first is None:
            self._first = self._latest

    def _note_first(self) -> None:
        """Make the very first losses the usual values; this waits for the device."""
        if self._first is not None:
            for name, value in self._first.terms.items():
                self._usual.setdefault(f"loss/{name}", [float(value)])
            self._first = None

    def on_train_batch_end(self, trainer: Any, pl_module: GAN | Any, *_: object) -> None:
        """Judge the values logged at this step; the first process does so for all."""
        step = trainer.global_step
        logged = step % trainer.log_every_n_steps == 0
        last = step >= trainer.max_steps
        if not (logged or last):
            return
        explosion = None
        if trainer.is_global_zero:
            self._note_first()
            values = pl_module.recorded if logged else _by_name(self._latest)
            explosion = self._explosion(values, pl_module.content.entries, step, last=last)
            if logged:
                self._watch_gradients(values)
                self._watch_game(values, pl_module, step)
        explosion = trainer.strategy.broadcast(explosion)
        if explosion is not None:
            raise Diverged(explosion)

    def _explosion(
        self, values: Mapping[str, float], terms: Iterable[str], step: int, *, last: bool
    ) -> str | None:
        """The message on a content loss that has exploded; None if it has not."""
        weighted = {
            f"loss/{term}": values[f"weighted/{term}"] for term in terms if f"loss/{term}" in values
        }
        total = _magnitude(weighted)
        if not math.isfinite(total):
            return None
        self._judged += 1
        known = {name: value for name, value in weighted.items() if name in self._usual}
        usual = 0.0
        for name, value in known.items():
            if values[name]:
                usual += abs(value / values[name]) * self._median(name)
        far = 0 < self.factor * usual < _magnitude(known)
        if total < BEYOND and not self._count("content", far):
            for name in weighted:
                self._add(name, values[name])
            return None
        enough = self.patience
        if last:
            enough = min(enough, self._judged)
        if total < BEYOND and self._in_row["content"] < enough:
            return None
        return (
            f"training has diverged: after {step} updates the content loss is {total:.3g}, where "
            f"{usual:.3g} is usual; lower optimiser.generator.lr, warm it up "
            "(scheduler@scheduler.generator=warmup) or clip gradients "
            "(clipping@clipping.generator=norm), in a new run."
        )

    def _watch_gradients(self, values: Mapping[str, float]) -> None:
        for network in ("generator", "discriminator"):
            name = f"gradient/{network}"
            norm = values.get(name, math.nan)
            if not math.isfinite(norm):
                continue
            known = len(self._usual.get(name, [])) > WINDOW // 2
            if not known or norm <= self.factor * self._median(name):
                self._add(name, norm)
                continue
            self._warn(
                name,
                f"the norm of the {network}'s gradient is {norm:.3g}, where "
                f"{self._median(name):.3g} is usual; if it stays so, clip it "
                f"(clipping@clipping.{network}=norm) or lower optimiser.{network}.lr.",
            )

    def _watch_game(self, values: Mapping[str, float], pl_module: GAN | Any, step: int) -> None:
        if "discriminator/real" not in values or pl_module.adversary is None:
            return
        gap = values["discriminator/real"] - values["discriminator/fake"]
        # A third party's objective may not say.
        relative = getattr(pl_module.adversary.objective, "relative", False)
        if self._count("won", gap > 0.98 and not relative) >= self.warn_after:
            self._warn(
                "won",
                "the discriminator tells real from generated images almost surely, which teaches "
                "the generator little; lower optimiser.discriminator.lr, train it at every second "
                "update (schedule.discriminator_every=2), smooth its labels "
                "(adversarial.objective.label_smoothing=0.1) or take penalty=r1.",
            )
        full = pl_module.schedule.share(step) >= 1
        if self._count("idle", full and abs(gap) < 0.01) >= self.warn_after:
            self._warn(
                "idle",
                "the discriminator does not tell real from generated images, so the generator "
                "learns nothing from it; raise optimiser.discriminator.lr, give it more channels, "
                "or let it learn before the game begins (schedule.discriminator_warmup_steps).",
            )

    def on_validation_end(self, trainer: Trainer, pl_module: GAN | Any) -> None:
        """Warn if PSNR has fallen far below that of the best validation, relative to bicubic."""
        psnr = pl_module.logged.get("val/psnr", math.nan)
        bicubic = pl_module.logged.get("val/psnr_bicubic", 0.0)
        gain = psnr - bicubic
        if trainer.sanity_checking or not trainer.is_global_zero or not math.isfinite(gain):
            return
        self._peak = max(self._peak, gain)
        if self._count("fallen", gain < self._peak - FALL) >= self.patience:
            self._warn(
                "fallen",
                f"validation has fallen from {self._peak + bicubic:.2f} to {psnr:.2f} dB PSNR and "
                "stays there: the generator may have collapsed; lower adversarial.weight or the "
                "learning rates in a new run, which may start from checkpoints/best.ckpt by "
                "weights=.",
            )

    def _count(self, name: str, happened: bool) -> int:
        """The number of times in a row that something happened, this time included."""
        count = self._in_row.get(name, 0) + 1
        self._in_row[name] = count if happened else 0
        return self._in_row[name]

    def _median(self, name: str) -> float:
        return median(self._usual[name])

    def _add(self, name: str, value: float) -> None:
        self._usual[name] = [*self._usual.get(name, []), value][-WINDOW:]

    def _warn(self, name: str, message: str) -> None:
        if name not in self._warned:
            self._warned.append(name)
            log.warning(message)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Listen no more."""
        if self._hook is not None:
            self._hook.remove()


def _magnitude(weighted: Mapping[str, float]) -> float:
    return sum(abs(value) for value in weighted.values())


def _by_name(value: LossValue | None) -> dict[str, float]:
    """The values of a content loss as they are logged; the host waits for the device."""
    values: dict[str, float] = {}
    if value is not None:
        values |= {f"loss/{name}": float(term) for name, term in value.terms.items()}
        values |= {f"weighted/{name}": float(term) for name, term in value.weighted.items()}
    return values
