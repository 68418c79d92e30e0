"""The distance between a discriminator's features of SR and of HR."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from srlab.adversarial.heads import at_least_float32
from srlab.mistakes import Mistake


def feature_matching(fake_features: Sequence[Tensor], real_features: Sequence[Tensor]) -> Tensor:
    """Return the mean absolute difference of features (pix2pixHD, Wang et al. 2018, sec. 3.2).

    It is a scalar loss of the generator. The real features are targets and receive no gradient. The
    paper sums the differences of layers and heads. Here they are averaged, so that a weight means
    the same for a discriminator of any depth.

    Hidden pixels are equal in both images. So are features that see hidden pixels alone.

    Raises a `Mistake` if there are no features.
    """
    if not fake_features:
        raise Mistake(
            "the discriminator returns no features to match; set adversarial.feature_matching=0 or "
            "choose another one."
        )
    distances = []
    for fake, real in zip(fake_features, real_features, strict=True):
        target = at_least_float32(real.detach())
        distances.append(F.l1_loss(at_least_float32(fake), target))
    return torch.stack(distances).mean()
