"""The original adversarial objective."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from srlab.adversarial.checks import check_label_smoothing
from srlab.adversarial.heads import each_head, mean_over_heads
from srlab.adversarial.protocol import Logits


class BCE:
    """Binary cross-entropy with the non-saturating generator side (Goodfellow et al. 2014, sec. 3).

    `label_smoothing` s makes the discriminator's target for real images 1 - s (Salimans et al.
    2016, sec. 3.4).
    """

    relative = False

    def __init__(self, *, label_smoothing: float = 0.0) -> None:
        self.label_smoothing = check_label_smoothing(label_smoothing)

    def generator_loss(self, fake: Logits, real: Logits) -> Tensor:
        """``-log D(fake)``, averaged."""
        return mean_over_heads(fake, _is_real)

    def discriminator_loss(self, fake: Logits, real: Logits) -> Tensor:
        """``-(1 - s) log D(real) - s log(1 - D(real)) - log(1 - D(fake))``, averaged."""
        smooth = self.label_smoothing
        on_real = mean_over_heads(
            real, lambda head: (1 - smooth) * _is_real(head) + smooth * _is_fake(head)
        )
        return on_real + mean_over_heads(fake, _is_fake)

    def realness(self, fake: Logits, real: Logits) -> tuple[Logits, Logits]:
        """``D``, the sigmoid of the logits."""
        return each_head(fake, torch.sigmoid), each_head(real, torch.sigmoid)


def _is_real(head: Tensor) -> Tensor:
    return F.softplus(-head)


def _is_fake(head: Tensor) -> Tensor:
    return F.softplus(head)
