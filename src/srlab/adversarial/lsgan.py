"""The least-squares adversarial objective."""

from __future__ import annotations

from torch import Tensor

from srlab.adversarial.checks import check_label_smoothing
from srlab.adversarial.heads import each_head, mean_over_heads
from srlab.adversarial.protocol import Logits


class LSGAN:
    """Half the squared difference between the logits and their targets (Mao et al. 2017, eq. 9).

    The discriminator's target is 0 for fake images and ``1 - s`` for real ones, with `s` the
    `label_smoothing`. The generator's target is 1.

    Raises a `Mistake` unless `label_smoothing` is in [0, 1).
    """

    relative = False

    def __init__(self, *, label_smoothing: float = 0.0) -> None:
        self.label_smoothing = check_label_smoothing(label_smoothing)

    def generator_loss(self, fake: Logits, real: Logits) -> Tensor:
        """Return the mean of ``(fake - 1)² / 2``."""
        return mean_over_heads(fake, lambda head: (head - 1).square()) / 2

    def discriminator_loss(self, fake: Logits, real: Logits) -> Tensor:
        """Return the mean of ``(real - (1 - s))² / 2 + fake² / 2``."""
        target = 1 - self.label_smoothing
        on_real = mean_over_heads(real, lambda head: (head - target).square())
        on_fake = mean_over_heads(fake, lambda head: head.square())
        return (on_real + on_fake) / 2

    def realness(self, fake: Logits, real: Logits) -> tuple[Logits, Logits]:
        """Return the logits, clamped to the range between the targets 0 and 1."""
        return each_head(fake, _within_targets), each_head(real, _within_targets)


def _within_targets(head: Tensor) -> Tensor:
    return head.clamp(0, 1)
