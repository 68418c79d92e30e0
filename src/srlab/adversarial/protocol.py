"""What every adversarial objective offers."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

Logits = tuple[Tensor, ...]
"""What a discriminator says of a batch: one tensor of any shape for each of its heads."""


class Objective(Protocol):
    """The two sides of the game; the heads of a discriminator are averaged."""

    def generator_loss(self, fake: Logits, real: Logits) -> Tensor:
        """Return what the generator minimises; `real` carries no gradient."""

    def discriminator_loss(self, fake: Logits, real: Logits) -> Tensor:
        """Return what the discriminator minimises."""
