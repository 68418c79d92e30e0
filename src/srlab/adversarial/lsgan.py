"""The least-squares objective."""

from __future__ import annotations

from torch import Tensor

from srlab.adversarial.checks import check_label_smoothing
from srlab.adversarial.heads import each_head, mean_over_heads
from srlab.adversarial.protocol import Logits


class LSGAN:
    """Half the squared distance of logits to 1 for real, 0 for fake (Mao et al. 2017, eq. 9).

    `label_smoothing` s makes the discriminator's target for real images 1 - s. The generator still
    aims at 1.
    """

    relative = False

    def __init__(self, *, label_smoothing: float = 0.0) -> None:
        self.label_smoothing = check_label_smoothing(label_smoothing)

    def generator_loss(self, fake: Logits, real: Logits) -> Tensor:
        """``(fake - 1)² / 2``, averaged."""
        return mean_over_heads(fake, lambda head: (head - 1).square()) / 2

    def discriminator_loss(self, fake: Logits, real: Logits) -> Tensor:
        """``(real - (1 - s))² / 2 + fake² / 2``, averaged."""
        on_real = mean_over_heads(real, lambda head: (head - (1 - self.label_smoothing)).square())
        return (on_real + mean_over_heads(fake, lambda head: head.square())) / 2

    def realness(self, fake: Logits, real: Logits) -> tuple[Logits, Logits]:
        """The logits themselves, clamped to the targets 0 and 1."""
        return each_head(fake, _within_targets), each_head(real, _within_targets)


def _within_targets(head: Tensor) -> Tensor:
    return head.clamp(0, 1)
