"""The relativistic average objective, which ESRGAN uses."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from srlab.adversarial.bce import BCE
from srlab.adversarial.heads import at_least_float32
from srlab.adversarial.protocol import Logits
from srlab.adversarial.ranks import mean_over_ranks


class Relativistic:
    """Relativistic average objective (Jolicoeur-Martineau 2018; ESRGAN, Wang et al. 2018, eq. 1-2).

    The discriminator judges whether an image is more realistic than the average image of the other
    kind. With logits a and b, that is ``D(a, b) = sigmoid(a - mean(b))``. Both losses are binary
    cross-entropies of D. Each is the sum of two expectations, as the ESRGAN paper prints it. The
    authors' code halves the generator's and the discriminator's loss.

    The mean is over all logits of a head, in the batches of all ranks. If gradients are
    accumulated, it is over one micro-batch. The discriminator's target for real images is
    ``1 - s``, with `s` the `label_smoothing`.

    Raises a `Mistake` unless `label_smoothing` is in [0, 1).
    """

    relative = False

    def __init__(self, *, label_smoothing: float = 0.0) -> None:
        self._smoothed_bce = BCE(label_smoothing=label_smoothing)
        self._bce = BCE()

    def generator_loss(self, fake: Logits, real: Logits) -> Tensor:
        """Return the mean of ``-log(1 - D(real, fake)) - log D(fake, real)``."""
        relative_real = _relative(real, fake)
        relative_fake = _relative(fake, real)
        # The generator wants fake to be taken for real and real for fake.
        return self._bce.discriminator_loss(fake=relative_real, real=relative_fake)

    def discriminator_loss(self, fake: Logits, real: Logits) -> Tensor:
        """Return the mean of the discriminator's cross-entropy.

        It is ``-(1 - s) log D(real, fake) - s log(1 - D(real, fake)) - log(1 - D(fake, real))``.
        """
        relative_fake = _relative(fake, real)
        relative_real = _relative(real, fake)
        return self._smoothed_bce.discriminator_loss(fake=relative_fake, real=relative_real)

    def realness(self, fake: Logits, real: Logits) -> tuple[Logits, Logits]:
        """Return ``D(fake, real)`` and ``D(real, fake)``, with means over this process's batch."""
        relative_fake = _relative(fake, real, mean=torch.mean)
        relative_real = _relative(real, fake, mean=torch.mean)
        return self._bce.realness(relative_fake, relative_real)


def _mean_of_all_ranks(head: Tensor) -> Tensor:
    return mean_over_ranks(head.mean())


def _relative(
    logits: Logits, others: Logits, *, mean: Callable[[Tensor], Tensor] = _mean_of_all_ranks
) -> Logits:
    """Subtract the mean logit of the other kind of images, for each head."""
    differences = []
    for head, other in zip(logits, others, strict=True):
        mean_of_others = mean(at_least_float32(other))
        differences.append(at_least_float32(head) - mean_of_others)
    return tuple(differences)
