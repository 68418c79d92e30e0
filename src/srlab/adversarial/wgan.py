"""The Wasserstein objective."""

from __future__ import annotations

from torch import Tensor

from srlab.adversarial.heads import mean_over_heads
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
