"""Gradient penalties, which bound the slope of a discriminator."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from srlab.adversarial.checks import check_interval, check_weight
from srlab.adversarial.heads import at_least_float32


class R1:
    """``γ/2 · E ‖∇D(real)‖²``, for each image (Mescheder et al. 2018, eq. 9).

    The norm is over all pixels and channels; `slopes` defines it for maps of logits. The penalty
    is taken at every `interval`-th update of the discriminator and multiplied by `interval`
    (lazy regularisation, Karras et al. 2020, app. B). There it is an update of its own. Here it
    joins the loss of one, so that the optimiser's settings stay.
    """

    def __init__(self, *, gamma: float = 10.0, interval: int = 16) -> None:
        self.gamma = check_weight("gamma", gamma)
        self.interval = check_interval(interval)

    def due(self, update: int) -> bool:
        """Return whether it counts after `update` updates of the discriminator."""
        return update % self.interval == 0

    def __call__(self, discriminator: nn.Module, fake: Tensor, real: Tensor) -> Tensor:
        """Return the penalty on `real`, ``(B, C, *S)``, times the interval; a scalar."""
        return self.interval * self.gamma / 2 * slopes(discriminator, real).square().mean()


class WGANGP:
    """``λ · E (‖∇D(x)‖ - 1)²`` at points x between fake and real (Gulrajani et al. 2017, eq. 3).

    Each pair of images is mixed with a share that is drawn uniformly from torch's global generator.
    `weight` is λ. `interval` and `slopes` are as for `R1`; the paper's interval is 1.
    """

    def __init__(self, *, weight: float = 10.0, interval: int = 1) -> None:
        self.weight = check_weight("weight", weight)
        self.interval = check_interval(interval)

    def due(self, update: int) -> bool:
        """Return whether it counts after `update` updates of the discriminator."""
        return update % self.interval == 0

    def __call__(self, discriminator: nn.Module, fake: Tensor, real: Tensor) -> Tensor:
        """Return the penalty between `fake` and `real`, times the interval; a scalar.

        Both images are ``(B, C, *S)``.
        """
        fake, real = at_least_float32(fake), at_least_float32(real)
        share = torch.rand(len(real), *[1] * (real.ndim - 1), device=real.device)
        between = real + share * (fake - real)
        return self.interval * self.weight * (slopes(discriminator, between) - 1).square().mean()


def slopes(discriminator: nn.Module, images: Tensor) -> Tensor:
    """Return ``‖∇ Σ logits‖ / √N`` for each head and image, ``(heads, B)``.

    N is the number of logits of that image in that head. For a single logit the slope is the norm
    of its gradient. For patches that do not overlap it is the root mean square of their own norms.
    So a weight means the same for a map of any size, as it does for the objectives, which average
    over the map. The sum alone would grow with √N, and the slope of the mean logit shrink with it.

    It is computed in float32 or wider without autocast, to be differentiated again. Where a
    discriminator is flat, that derivative is zero. Pixels that are zero in both images because they
    are hidden count in the norm. Batch normalisation mixes the images of a batch in each gradient;
    Gulrajani et al. (sec. 4) do without.
    """
    images = at_least_float32(images.detach()).requires_grad_()
    with torch.autocast(images.device.type, enabled=False):
        norms = []
        for head in discriminator(images).logits:
            (gradient,) = torch.autograd.grad(head.sum(), images, create_graph=True)
            patches = head.numel() / len(images)
            norms.append(torch.linalg.vector_norm(gradient.flatten(1), dim=1) / math.sqrt(patches))
    return torch.stack(norms)
