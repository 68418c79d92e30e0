"""The interfaces of adversarial objectives and penalties."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor, nn

Logits = tuple[Tensor, ...]
"""The output of a discriminator for a batch: a tensor of any shape for each of its heads."""


class Objective(Protocol):
    """The losses of a generator and its discriminator, averaged over the discriminator's heads."""

    relative: bool
    """Whether `realness` only says how far HR and SR are apart, on no fixed scale.

    A wide gap is then no sign that the discriminator wins. This is true of a critic whose logits
    have no fixed zero, such as that of `WGAN`.
    """

    def generator_loss(self, fake: Logits, real: Logits) -> Tensor:
        """Return the loss that the generator minimises; `real` has no gradient."""

    def discriminator_loss(self, fake: Logits, real: Logits) -> Tensor:
        """Return the loss that the discriminator minimises."""

    def realness(self, fake: Logits, real: Logits) -> tuple[Logits, Logits]:
        """Return the realness of `fake` and of `real`, with a value from 0 to 1 for each logit.

        The discriminator takes an image for fake at 0 and for real at 1. At 0.5 it is undecided. An
        objective that compares images with each other compares those in the batch of this process.
        """


class Penalty(Protocol):
    """A term of the discriminator's loss that depends on the discriminator's gradient."""

    def due(self, update: int) -> bool:
        """Return whether the penalty counts after `update` updates of the discriminator."""

    def __call__(self, discriminator: nn.Module, fake: Tensor, real: Tensor) -> Tensor:
        """Return a scalar to add to the loss, with its weight.

        SR and HR are ``(B, C, *S)`` in the network's range. Only the parameters of the
        discriminator get a gradient from it.
        """
