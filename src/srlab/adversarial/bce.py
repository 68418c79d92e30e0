"""The original adversarial objective, a binary cross-entropy."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from srlab.adversarial.checks import check_label_smoothing
from srlab.adversarial.heads import each_head, mean_over_heads
from srlab.adversarial.protocol import Logits


class BCE:
    """Binary cross-entropy with the non-saturating generator loss (Goodfellow et al. 2014, sec. 3).

    The discriminator's target is 0 for fake images and ``1 - s`` for real ones, with `s` the
    `label_smoothing` (Salimans et al. 2016, sec. 3.4).

    Raises a `Mistake` unless `label_smoothing` is in [0, 1).
    """

    relative = False

    def __init__(self, *, label_smoothing: float = 0.0) -> None:
        self.label_smoothing = check_label_smoothing(label_smoothing)

    def generator_loss(self, fake: Logits, real: Logits) -> Tensor:
        """Return the mean of ``-log D(fake)``."""
        return mean_over_heads(fake, _minus_log_real)

    def discriminator_loss(self, fake: Logits, real: Logits) -> Tensor:
        """Return the mean of ``-(1 - s) log D(real) - s log(1 - D(real)) - log(1 - D(fake))``."""
        on_real = mean_over_heads(real, self._smoothed)
        on_fake = mean_over_heads(fake, _minus_log_fake)
        return on_real + on_fake

    def realness(self, fake: Logits, real: Logits) -> tuple[Logits, Logits]:
        """Return ``D(fake)`` and ``D(real)``, the sigmoids of the logits."""
        return each_head(fake, torch.sigmoid), each_head(real, torch.sigmoid)

    def _smoothed(self, head: Tensor) -> Tensor:
        """Return the cross-entropy of real images with their smoothed target."""
        share = self.label_smoothing
        return (1 - share) * _minus_log_real(head) + share * _minus_log_fake(head)


def _minus_log_real(head: Tensor) -> Tensor:
    """Return ``-log D`` for ``D = sigmoid(head)``, without overflow."""
    return F.softplus(-head)


def _minus_log_fake(head: Tensor) -> Tensor:
    """Return ``-log(1 - D)`` for ``D = sigmoid(head)``, without overflow."""
    return F.softplus(head)
