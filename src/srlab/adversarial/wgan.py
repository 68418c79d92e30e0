"""The Wasserstein objective."""

from __future__ import annotations

from torch import Tensor

from srlab.adversarial.heads import at_least_float32, mean_over_heads
from srlab.adversarial.protocol import Logits


class WGAN:
    """The critic's estimate of the Wasserstein distance (Arjovsky et al. 2017, eq. 2, algorithm 1).

    It is one only for a critic of bounded slope: take a `WGANGP` penalty, or spectral normalisation
    throughout. The paper's clipping of weights is not offered. Losses and logits have no fixed zero
    and may drift.
    """

    relative = True

    def generator_loss(self, fake: Logits, real: Logits) -> Tensor:
        """``-fake``, averaged."""
        return -mean_over_heads(fake, lambda head: head)

    def discriminator_loss(self, fake: Logits, real: Logits) -> Tensor:
        """``fake - real``, averaged."""
        return mean_over_heads(fake, lambda head: head) - mean_over_heads(real, lambda head: head)

    def realness(self, fake: Logits, real: Logits) -> tuple[Logits, Logits]:
        """The sigmoid of the distance to the middle between the means of fake and real.

        A critic has no zero of its own to compare with.
        """
        pairs = [_from_their_middle(*pair) for pair in zip(fake, real, strict=True)]
        return tuple(pair[0] for pair in pairs), tuple(pair[1] for pair in pairs)


def _from_their_middle(fake: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
    fake, real = at_least_float32(fake), at_least_float32(real)
    middle = (fake.mean() + real.mean()) / 2
    return (fake - middle).sigmoid(), (real - middle).sigmoid()
