"""The objective of ESRGAN."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from srlab.adversarial.bce import BCE
from srlab.adversarial.heads import at_least_float32
from srlab.adversarial.protocol import Logits
from srlab.adversarial.ranks import mean_over_ranks


class Relativistic:
    """Whether an image is more realistic than the average other one (Jolicoeur-Martineau 2018).

    ``D(a, b) = sigmoid(a - mean(b))``, in binary cross-entropies as in ESRGAN (Wang et al. 2018,
    eq. 1-3). The loss is the sum of the two expectations, as printed there. The authors' code
    halves both sides' losses, so that their weight counts half as much. The mean is taken over all
    logits of a head, in the batches of all ranks; with accumulation it is the micro-batch's.
    `label_smoothing` s makes the discriminator's target for real images 1 - s.
    """

    relative = False

    def __init__(self, *, label_smoothing: float = 0.0) -> None:
        self._of_discriminator = BCE(label_smoothing=label_smoothing)
        self._of_generator = BCE()

    def generator_loss(self, fake: Logits, real: Logits) -> Tensor:
        """``-log(1 - D(real, fake)) - log D(fake, real)``, averaged."""
        return self._of_generator.discriminator_loss(_relative(real, fake), _relative(fake, real))

    def discriminator_loss(self, fake: Logits, real: Logits) -> Tensor:
        """``-(1 - s) log D(real, fake) - s log(1 - D(real, fake)) - log(1 - D(fake, real))``."""
        return self._of_discriminator.discriminator_loss(
            _relative(fake, real), _relative(real, fake)
        )

    def realness(self, fake: Logits, real: Logits) -> tuple[Logits, Logits]:
        """``D(fake, real)`` and ``D(real, fake)``."""
        sides = _relative(fake, real, mean=torch.mean), _relative(real, fake, mean=torch.mean)
        return self._of_generator.realness(*sides)


def _mean_of_all(head: Tensor) -> Tensor:
    return mean_over_ranks(head.mean())


def _relative(
    logits: Logits, others: Logits, *, mean: Callable[[Tensor], Tensor] = _mean_of_all
) -> Logits:
    return tuple(
        at_least_float32(head) - mean(at_least_float32(other))
        for head, other in zip(logits, others, strict=True)
    )
