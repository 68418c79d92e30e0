"""The Wasserstein adversarial objective."""

from __future__ import annotations

from torch import Tensor

from srlab.adversarial.heads import at_least_float32, mean_over_heads
from srlab.adversarial.protocol import Logits


class WGAN:
    """Estimate of the Wasserstein distance by a critic (Arjovsky et al. 2017, eq. 2, algorithm 1).

    The critic is the discriminator. The estimate is right only if its slope is bounded. Add the
    penalty `WGANGP`, or choose a discriminator with spectral normalisation in all layers. The
    paper's clipping of weights is not implemented. Losses and logits have no fixed zero and may
    drift during training.
    """

    relative = True

    def generator_loss(self, fake: Logits, real: Logits) -> Tensor:
        """Return the mean of ``-fake``."""
        return -mean_over_heads(fake, lambda head: head)

    def discriminator_loss(self, fake: Logits, real: Logits) -> Tensor:
        """Return the mean of ``fake - real``."""
        on_fake = mean_over_heads(fake, lambda head: head)
        on_real = mean_over_heads(real, lambda head: head)
        return on_fake - on_real

    def realness(self, fake: Logits, real: Logits) -> tuple[Logits, Logits]:
        """Return ``sigmoid(logit - middle)``, for the middle between the means of fake and real.

        A critic has no fixed zero with which logits could be compared.
        """
        fake_realness = []
        real_realness = []
        for fake_head, real_head in zip(fake, real, strict=True):
            fake_logits = at_least_float32(fake_head)
            real_logits = at_least_float32(real_head)
            middle = (fake_logits.mean() + real_logits.mean()) / 2
            fake_realness.append((fake_logits - middle).sigmoid())
            real_realness.append((real_logits - middle).sigmoid())
        return tuple(fake_realness), tuple(real_realness)
