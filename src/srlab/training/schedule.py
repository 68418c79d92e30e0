"""Schedule: the phases of a training, in generator updates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil

from torch import Tensor

from srlab.axes import is_count
from srlab.losses import Ramp
from srlab.losses.ramp import RampShape
from srlab.mistakes import Mistake


@dataclass(frozen=True)
class Schedule:
    """The phases of a run: pretraining on content losses, then adversarial training.

    All counts are generator updates. Raises a `Mistake` if a number is out of range.
    """

    pretrain_steps: int
    """The updates with content losses alone."""

    ramp_steps: int
    """The updates after pretraining in which the adversarial weight rises to its full value."""

    ramp: RampShape = "linear"
    """The shape of the rise (`srlab.losses.Ramp`)."""

    discriminator_warmup_steps: int = 0
    """The updates before the end of pretraining in which the discriminator already learns."""

    discriminator_every: int = 1
    """The discriminator learns in every such update of the generator."""

    pause_above: float | None = None
    """The lead above which the discriminator pauses; None: it never pauses.

    The lead is the mean realness of HR minus that of SR, both in 0–1 (`Objective.realness`).
    """

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
                f"schedule.discriminator_warmup_steps is {self.discriminator_warmup_steps}; the "
                "warm-up is the last part of pretraining, so give a number from 0 to "
                f"schedule.pretrain_steps ({self.pretrain_steps})."
            )
        if self.pause_above is not None and not 0 < self.pause_above < 1:
            raise Mistake(
                f"schedule.pause_above is {self.pause_above}; give a difference of probabilities "
                "between 0 and 1, or null."
            )
        self._ramp()  # A wrong shape raises a mistake here, not only in the first step.

    def _ramp(self) -> Ramp:
        return Ramp(self.pretrain_steps, self.ramp_steps, self.ramp)

    @property
    def discriminator_start(self) -> int:
        """The number of generator updates before the discriminator's first update."""
        return self.pretrain_steps - self.discriminator_warmup_steps

    def share(self, step: int) -> float:
        """Return the share of the adversarial weight after `step` generator updates, in 0–1."""
        return self._ramp().share(step)

    def runs_discriminator(self, step: int) -> bool:
        """Whether the discriminator runs in the update after `step` others.

        It runs if it is trained, or if the generator is trained against it.
        """
        return step >= self.pretrain_steps or self.trains_discriminator(step)

    def trains_discriminator(self, step: int) -> bool:
        """Whether the discriminator is trained in the update after `step` others."""
        since_start = step - self.discriminator_start
        return since_start >= 0 and since_start % self.discriminator_every == 0

    def discriminator_updates(self, step: int) -> int:
        """Return the number of discriminator updates in the first `step` generator updates."""
        since_start = max(step - self.discriminator_start, 0)
        return ceil(since_start / self.discriminator_every)

    def paused(self, values: Mapping[str, Tensor]) -> Tensor | None:
        """Return whether the discriminator pauses in an update with these logged `values`.

        The result is a boolean on the device, or None if the discriminator never pauses.
        """
        if self.pause_above is None:
            return None
        lead = values["discriminator/real"] - values["discriminator/fake"]
        return lead > self.pause_above
