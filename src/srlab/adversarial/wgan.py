"""The Wasserstein objective."""

from __future__ import annotations

from torch import Tensor

from srlab.adversarial.heads import at_least_float32, mean_over_heads
from srlab.adversarial.protocol import Logits


class WGAN:
    """The critic's estimate of the Wasserstein distance (Arjovsky et al. 2017, eq. 2 and algorithm 1).

    It is one only for a critic of bounded slope: take a `WGANGP` penalty, or spectral normalisation throughout. The
    paper's clipping of weights is not offered. Losses and logits have no fixed zero and may drift.
    """

    def generator_loss(self, fake: Logits, real: Logits) -> Tensor:
        """``-fake``, averaged."""
        return -mean_over_heads(fake, lambda head: head)

    def discriminator_loss(self, fake: Logits, real: Logits) -> Tensor:
        """``fake - real``, averaged."""
        return mean_over_heads(fake, lambda head: head) - mean_over_heads(real, lambda head: head)

    def realness(self, fake: Logits, real: Logits) -> tuple[Logits, Logits]:
        """The sigmoid of the distance to the middle between the means of fake and real, as a critic has no zero."""
        pairs = [
            (at_least_float32(a), at_least_float32(b)) for a, b in zip(fake, real, strict=True)
        ]
        middles = [(a.mean() + b.mean()) / 2 for a, b in pairs]
        of_fake, of_real = (
            tuple((head - middle).sigmoid() for head, middle in zip(side, middles, strict=True))
            for side in zip(*pairs, strict=True)
        )
        return of_fake, of_real
