"""Penalties on the gradient of a discriminator, which keep its slope small."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from srlab.adversarial.checks import check_interval, check_weight
from srlab.adversarial.heads import at_least_float32


class R1:
    """The R1 penalty ``γ/2 · mean ‖∇D(real)‖²`` over real images (Mescheder et al. 2018, eq. 9).

    The norm is that of the gradient over all pixels and channels of an image. `slopes` defines it
    for maps of logits. `gamma` is γ.

    The penalty counts at every `interval`-th update of the discriminator, multiplied by `interval`
    (lazy regularisation, Karras et al. 2020, app. B). The paper makes it an update of its own, and
    changes the optimiser's settings to suit. Here it is added to the loss of that update.

    Raises a `Mistake` for a negative or infinite `gamma`, or an `interval` below 1.
    """

    def __init__(self, *, gamma: float = 10.0, interval: int = 16) -> None:
        self.gamma = check_weight("gamma", gamma)
        self.interval = check_interval(interval)

    def due(self, update: int) -> bool:
        """Return whether the penalty counts after `update` updates of the discriminator."""
        return update % self.interval == 0

    def __call__(self, discriminator: nn.Module, fake: Tensor, real: Tensor) -> Tensor:
        """Return the penalty on `real` ``(B, C, *S)``, times the interval, as a scalar."""
        squared_slope = slopes(discriminator, real).square().mean()
        return self.interval * self.gamma / 2 * squared_slope


class WGANGP:
    """The penalty ``λ · mean (‖∇D(x)‖ - 1)²`` of WGAN-GP (Gulrajani et al. 2017, eq. 3).

    Each image x lies between a fake and a real image. It is their mean, weighted by a share that is
    drawn uniformly from torch's global generator. `weight` is λ. The norm and the `interval` are as
    in `R1`. The paper's interval is 1.

    Raises a `Mistake` for a negative or infinite `weight`, or an `interval` below 1.
    """

    def __init__(self, *, weight: float = 10.0, interval: int = 1) -> None:
        self.weight = check_weight("weight", weight)
        self.interval = check_interval(interval)

    def due(self, update: int) -> bool:
        """Return whether the penalty counts after `update` updates of the discriminator."""
        return update % self.interval == 0

    def __call__(self, discriminator: nn.Module, fake: Tensor, real: Tensor) -> Tensor:
        """Return the penalty between `fake` and `real`, times the interval, as a scalar.

        Both images are ``(B, C, *S)``.
        """
        fake = at_least_float32(fake)
        real = at_least_float32(real)
        share = torch.rand(len(real), *[1] * (real.ndim - 1), device=real.device)
        between = real + share * (fake - real)
        excess = slopes(discriminator, between) - 1
        return self.interval * self.weight * excess.square().mean()


def slopes(discriminator: nn.Module, images: Tensor) -> Tensor:
    """Return the slope ``‖∇ Σ logits‖ / √N`` for each head and image, ``(heads, B)``.

    N is the number of logits of an image in a head. If it is 1, the slope is the norm of the
    logit's gradient. For logits of patches that do not overlap, the slope is the root mean square
    of the norms of their gradients. So the weight of a penalty means the same for a map of any
    size. Without the division the slope would grow with √N. The slope of the mean logit would
    shrink with √N.

    Slopes are computed without autocast, in float32 or float64, and can be differentiated. Where a
    discriminator is flat, that derivative is zero. Hidden pixels are zero in both images, and count
    in the norm. Batch normalisation mixes the images of a batch in each gradient, so Gulrajani et
    al. (2017, sec. 4) leave it out.
    """
    images = at_least_float32(images.detach()).requires_grad_()
    norms = []
    with torch.autocast(images.device.type, enabled=False):
        for head in discriminator(images).logits:
            (gradient,) = torch.autograd.grad(head.sum(), images, create_graph=True)
            norm = torch.linalg.vector_norm(gradient.flatten(1), dim=1)
            logits_of_image = head.numel() / len(images)
            norms.append(norm / math.sqrt(logits_of_image))
    return torch.stack(norms)
