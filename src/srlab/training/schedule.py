"""Schedule: the phases of a training, in generator updates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from srlab.axes import is_count
from srlab.losses import Ramp
from srlab.losses.ramp import RampShape
from srlab.mistakes import Mistake


@dataclass(frozen=True)
class Schedule:
    """Content-only pretraining, then an adversarial weight that rises to its full value.

    The weight rises over `ramp_steps` generator updates in the shape `ramp` (`srlab.losses.Ramp`).
    The discriminator learns at every `discriminator_every`-th update. It begins
    `discriminator_warmup_steps` before the end of pretraining.

    The discriminator pauses in updates in which its lead exceeds `pause_above`; null: never. Its
    lead is the mean realness of real images minus that of fake ones, both in 0–1
    (`Objective.realness`).

    Raises a `Mistake` if a number is out of range.
    """

    pretrain_steps: int
    ramp_steps: int
    ramp: RampShape = "linear"
    discriminator_warmup_steps: int = 0
    discriminator_every: int = 1
    pause_above: float | None = None

    def __post_init__(self) -> None:
        counts = {
            "pretrain_steps": self.pretrain_steps,
            "ramp_steps": self.ramp_steps,
            "discriminator_warmup_steps": self.discriminator_warmup_steps,
        }
        for name, value in counts.items():
            if not is_count(value):
                raise Mistake(
                    f"schedule.{name} is {value}; give a whole number of generator updates >= 0."
                )
        if not is_count(self.discriminator_every, least=1):
            raise Mistake(
                f"schedule.discriminator_every is {self.discriminator_every}; give a whole number "
                "of generator updates >= 1."
            )
        if self.discriminator_warmup_steps > self.pretrain_steps:
            raise Mistake(
                f"schedule.discriminator_warmup_steps is {self.discriminator_warmup_steps}; they "
                f"are the last of pretraining, so give 0 to {self.pretrain_steps} "
                "(schedule.pretrain_steps)."
            )
        if self.pause_above is not None and not 0 < self.pause_above < 1:
            raise Mistake(
                f"schedule.pause_above is {self.pause_above}; give a difference of probabilities "
                "between 0 and 1, or null."
            )
        self._ramp()  # so that a wrong shape raises a mistake now, not in the first step

    def _ramp(self) -> Ramp:
        return Ramp(self.pretrain_steps, self.ramp_steps, self.ramp)

    @property
    def discriminator_start(self) -> int:
        """The number of generator updates before the first update of the discriminator."""
        return self.pretrain_steps - self.discriminator_warmup_steps

    def share(self, step: int) -> float:
        """Return the share of the adversarial weight after `step` generator updates, in 0–1."""
        return self._ramp().share(step)

    def game(self, step: int) -> bool:
        """Whether the discriminator runs in the update after `step` others.

        It does if it learns itself, or if the generator learns from it.
        """
        return step >= self.pretrain_steps or self.discriminator(step)

    def discriminator(self, step: int) -> bool:
        """Whether the update after `step` others trains the discriminator."""
        since = step - self.discriminator_start
        return since >= 0 and since % self.discriminator_every == 0

    def discriminator_updates(self, step: int) -> int:
        """Return the number of discriminator updates in the first `step` generator updates."""
        return max(0, -(-(step - self.discriminator_start) // self.discriminator_every))

    def paused(self, values: Mapping[str, Tensor]) -> Tensor | None:
        """Whether the discriminator pauses in an update with these logged `values`.

        The result is a boolean on the device, or None if the discriminator never pauses.
        """
        if self.pause_above is None:
            return None
        return values["discriminator/real"] - values["discriminator/fake"] > self.pause_above
