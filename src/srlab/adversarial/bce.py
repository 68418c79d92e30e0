"""The original adversarial objective."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from srlab.adversarial.protocol import Logits


class BCE:
    """Binary cross-entropy with the non-saturating generator side (Goodfellow et al. 2014, sec. 3).

    `label_smoothing` s makes the discriminator's target for real images 1 - s (Salimans et al. 2016, sec. 3.4).
    """

    def __init__(self, *, label_smoothing: float = 0.0) -> None:
        if not 0 <= label_smoothing < 1:
            raise ValueError(f"label_smoothing is {label_smoothing}; it must be at least 0 and below 1.")
        self.label_smoothing = label_smoothing

    def generator_loss(self, fake: Logits, real: Logits) -> Tensor:
        """``-log D(fake)``, averaged."""
        return _mean_over_heads([F.softplus(-logits).mean() for logits in fake])

    def discriminator_loss(self, fake: Logits, real: Logits) -> Tensor:
        """``-(1 - s) log D(real) - s log(1 - D(real)) - log(1 - D(fake))``, averaged."""
        smooth = self.label_smoothing
        on_real = [((1 - smooth) * F.softplus(-logits) + smooth * F.softplus(logits)).mean() for logits in real]
        on_fake = [F.softplus(logits).mean() for logits in fake]
        return _mean_over_heads(on_real) + _mean_over_heads(on_fake)


def _mean_over_heads(losses: list[Tensor]) -> Tensor:
    return torch.stack(losses).mean()
