"""The phases of a run, in generator updates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from srlab.losses import Ramp
from srlab.losses.ramp import Shape
from srlab.mistakes import Mistake


@dataclass(frozen=True)
class Schedule:
    """Content-only pretraining, then an adversarial weight that rises to its full value.

    The weight rises over `ramp_steps` generator updates in the shape `ramp`, as `srlab.losses.Ramp` has it. The
    discriminator learns at every `discriminator_every`-th update, from `discriminator_warmup_steps` before the end of
    pretraining on. It pauses where it wins by more than `pause_above`: where it takes real images for so much more real
    than fake ones, on average and from 0 to 1, as the objective's `realness` has it (null: never).
    """

    pretrain_steps: int
    ramp_steps: int
    ramp: Shape = "linear"
    discriminator_warmup_steps: int = 0
    discriminator_every: int = 1
    pause_above: float | None = None

    def __post_init__(self) -> None:
        for name in (
            "pretrain_steps",
            "ramp_steps",
            "discriminator_warmup_steps",
            "discriminator_every",
        ):
            if getattr(self, name) % 1:
                raise Mistake(
                    f"schedule.{name} is {getattr(self, name)}; give a whole number of generator updates."
                )
        if min(self.pretrain_steps, self.ramp_steps) < 0:
            raise Mistake(
                f"schedule.pretrain_steps {self.pretrain_steps} and schedule.ramp_steps {self.ramp_steps} count "
                "generator updates; they cannot be negative."
            )
        if not 0 <= self.discriminator_warmup_steps <= self.pretrain_steps:
            raise Mistake(
                f"schedule.discriminator_warmup_steps is {self.discriminator_warmup_steps}; they are the last of "
                f"pretraining, so give 0 to {self.pretrain_steps} (schedule.pretrain_steps)."
            )
        if self.discriminator_every < 1:
            raise Mistake(
                f"schedule.discriminator_every is {self.discriminator_every}; give a number of generator updates >= 1."
            )
        if self.pause_above is not None and not 0 < self.pause_above < 1:
            raise Mistake(
                f"schedule.pause_above is {self.pause_above}; give a difference of probabilities between 0 and 1, "
                "or null."
            )
        self._ramp()  # refuses what it cannot be

    def _ramp(self) -> Ramp:
        return Ramp(self.pretrain_steps, self.ramp_steps, self.ramp)

    @property
    def discriminator_start(self) -> int:
        """The number of generator updates before the first of the discriminator."""
        return self.pretrain_steps - self.discriminator_warmup_steps

    def share(self, step: int) -> float:
        """The share of the adversarial weight in force after `step` generator updates, in 0–1."""
        return self._ramp().share(step)

    def game(self, step: int) -> bool:
        """Whether the update after `step` others has a generator that listens or a discriminator that learns."""
        return step >= self.pretrain_steps or self.discriminator(step)

    def discriminator(self, step: int) -> bool:
        """Whether the update after `step` others trains the discriminator."""
        since = step - self.discriminator_start
        return since >= 0 and since % self.discriminator_every == 0

    def discriminator_updates(self, step: int) -> int:
        """The number of updates of the discriminator that are due within the first `step` of the generator."""
        return max(0, -(-(step - self.discriminator_start) // self.discriminator_every))

    def paused(self, values: Mapping[str, Tensor]) -> Tensor | None:
        """Whether a discriminator that judged so in this update is left as it is; a boolean on the device, or None."""
        if self.pause_above is None:
            return None
        return values["discriminator/real"] - values["discriminator/fake"] > self.pause_above
