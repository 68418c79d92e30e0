"""What every adversarial objective and every penalty offers."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor, nn

Logits = tuple[Tensor, ...]
"""What a discriminator says of a batch: one tensor of any shape for each of its heads."""


class Objective(Protocol):
    """The two sides of the game; the heads of a discriminator are averaged."""

    def generator_loss(self, fake: Logits, real: Logits) -> Tensor:
        """Return what the generator minimises; `real` carries no gradient."""

    def discriminator_loss(self, fake: Logits, real: Logits) -> Tensor:
        """Return what the discriminator minimises."""

    def realness(self, fake: Logits, real: Logits) -> tuple[Logits, Logits]:
        """Return how real the discriminator takes `fake` and `real` to be: 0 fake, 1 real, 0.5 undecided.

        Each logit has a value. What is relative in an objective is so to this process's batch.
        """


class Penalty(Protocol):
    """A term of the discriminator's loss that looks at its gradient."""

    def due(self, update: int) -> bool:
        """Return whether it counts in the discriminator's own update after `update` others."""

    def __call__(self, discriminator: nn.Module, fake: Tensor, real: Tensor) -> Tensor:
        """Return a weighted scalar to add to the loss, from SR and HR ``(B, C, *S)`` in the network's range.

        Its gradient reaches the discriminator's parameters alone.
        """
