"""The hinge objective of spectrally normalised GANs."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from srlab.adversarial.heads import each_head, mean_over_heads
from srlab.adversarial.protocol import Logits


class Hinge:
    """Hinges at a margin of 1 for the discriminator, bare logits for the generator (Lim & Ye 2017).

    Written as in Miyato et al. 2018, eq. 16-17. Logits beyond the margin give the discriminator no
    gradient.
    """

    relative = False

    def generator_loss(self, fake: Logits, real: Logits) -> Tensor:
        """``-fake``, averaged."""
        return -mean_over_heads(fake, lambda head: head)

    def discriminator_loss(self, fake: Logits, real: Logits) -> Tensor:
        """``max(0, 1 - real) + max(0, 1 + fake)``, averaged."""
        on_real = mean_over_heads(real, lambda head: F.relu(1 - head))
        return on_real + mean_over_heads(fake, lambda head: F.relu(1 + head))

    def realness(self, fake: Logits, real: Logits) -> tuple[Logits, Logits]:
        """``(1 + logit) / 2``, clamped: 0 from the margin of fake on, 1 from that of real on."""
        return each_head(fake, _within_margins), each_head(real, _within_margins)


def _within_margins(head: Tensor) -> Tensor:
    return ((1 + head) / 2).clamp(0, 1)
