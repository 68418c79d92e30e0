"""The phases of a run, in generator updates."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Schedule:
    """Content-only pretraining, then an adversarial weight that rises linearly to its full value.

    After s generator updates the share of the adversarial weight is ``clip((s - pretrain_steps) / ramp_steps, 0, 1)``.
    The discriminator learns as soon as pretraining is over.
    """

    pretrain_steps: int
    ramp_steps: int

    def __post_init__(self) -> None:
        if self.pretrain_steps < 0 or self.ramp_steps < 0:
            raise ValueError(
                f"schedule.pretrain_steps {self.pretrain_steps} and schedule.ramp_steps {self.ramp_steps} count "
                "generator updates; they cannot be negative."
            )

    def adversarial(self, step: int) -> bool:
        """Whether the update after `step` others trains the discriminator."""
        return step >= self.pretrain_steps

    def ramp(self, step: int) -> float:
        """The share of the adversarial weight in force after `step` generator updates, in 0–1."""
        if step < self.pretrain_steps:
            return 0.0
        return min((step - self.pretrain_steps) / self.ramp_steps, 1.0) if self.ramp_steps else 1.0
