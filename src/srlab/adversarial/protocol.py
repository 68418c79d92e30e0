"""The contracts of adversarial objectives and penalties."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor, nn

Logits = tuple[Tensor, ...]
"""A discriminator's answer to a batch: one tensor of any shape for each of its heads."""


class Objective(Protocol):
    """The two sides of the game; the heads of a discriminator are averaged."""

    relative: bool
    """Whether `realness` only compares HR with SR, so that a wide gap is no sign of a win.

    True for a critic without a zero, such as `WGAN`.
    """

    def generator_loss(self, fake: Logits, real: Logits) -> Tensor:
        """Return the loss that the generator minimises; `real` carries no gradient."""

    def discriminator_loss(self, fake: Logits, real: Logits) -> Tensor:
        """Return the loss that the discriminator minimises."""

    def realness(self, fake: Logits, real: Logits) -> tuple[Logits, Logits]:
        """Return how real `fake` and `real` look to the discriminator, a value for each logit.

        0 is fake, 1 real and 0.5 undecided. An objective that compares images with each other
        compares those of this process's batch.
        """


class Penalty(Protocol):
    """A term of the discriminator's loss that looks at its gradient."""

    def due(self, update: int) -> bool:
        """Return whether it counts in the discriminator's own update after `update` others."""

    def __call__(self, discriminator: nn.Module, fake: Tensor, real: Tensor) -> Tensor:
        """Return a weighted scalar to add to the loss.

        SR and HR are ``(B, C, *S)`` in the network's range. The scalar's gradient reaches the
        discriminator's parameters alone.
        """
