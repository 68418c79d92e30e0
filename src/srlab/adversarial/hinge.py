"""The hinge objective of spectrally normalised GANs."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from srlab.adversarial.heads import each_head, mean_over_heads
from srlab.adversarial.protocol import Logits


class Hinge:
    """The hinge loss with a margin of 1 (Lim & Ye 2017; Miyato et al. 2018, eq. 16 and 17).

    The discriminator gets no gradient from logits beyond the margin: above 1 for real images, and
    below -1 for fake ones. The generator's loss is linear in the logits.
    """

    relative = False

    def generator_loss(self, fake: Logits, real: Logits) -> Tensor:
        """Return the mean of ``-fake``."""
        return -mean_over_heads(fake, lambda head: head)

    def discriminator_loss(self, fake: Logits, real: Logits) -> Tensor:
        """Return the mean of ``max(0, 1 - real) + max(0, 1 + fake)``."""
        on_real = mean_over_heads(real, lambda head: F.relu(1 - head))
        on_fake = mean_over_heads(fake, lambda head: F.relu(1 + head))
        return on_real + on_fake

    def realness(self, fake: Logits, real: Logits) -> tuple[Logits, Logits]:
        """Return ``(1 + logit) / 2``, clamped: 0 for logits below -1, and 1 for logits above 1."""
        return each_head(fake, _within_margins), each_head(real, _within_margins)


def _within_margins(head: Tensor) -> Tensor:
    return ((1 + head) / 2).clamp(0, 1)
