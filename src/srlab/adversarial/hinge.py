"""The hinge objective of spectrally normalised GANs."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from srlab.adversarial.heads import mean_over_heads
from srlab.adversarial.protocol import Logits


class Hinge:
    """Hinges at a margin of 1 for the discriminator, the bare logit for the generator (Lim & Ye 2017).

    Written as in Miyato et al. 2018, eq. 16–17. Logits beyond the margin give the discriminator no gradient.
    """

    def generator_loss(self, fake: Logits, real: Logits) -> Tensor:
        """``-fake``, averaged."""
        return -mean_over_heads(fake, lambda head: head)

    def discriminator_loss(self, fake: Logits, real: Logits) -> Tensor:
        """``max(0, 1 - real) + max(0, 1 + fake)``, averaged."""
        on_real = mean_over_heads(real, lambda head: F.relu(1 - head))
        return on_real + mean_over_heads(fake, lambda head: F.relu(1 + head))
