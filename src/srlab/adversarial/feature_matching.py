"""The distance between a discriminator's features of SR and of HR."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from srlab.adversarial.heads import at_least_float32
from srlab.mistakes import Mistake


def feature_matching(fake_features: Sequence[Tensor], real_features: Sequence[Tensor]) -> Tensor:
    """Mean absolute difference of features (Wang et al. 2018, pix2pixHD, sec. 3.2), a scalar.

    A generator's loss: the real features are targets and receive no gradient. The paper sums over
    layers and heads; the average over them keeps the weight's meaning for any depth. Hidden pixels
    are equal in both images, and so are features that see only these. Raises a `Mistake` if there
    are no features.
    """
    if not fake_features:
        raise Mistake(
            "the discriminator returns no features to match; set adversarial.feature_matching=0 or "
            "choose another one."
        )
    distances = [
        F.l1_loss(at_least_float32(fake), at_least_float32(real.detach()))
        for fake, real in zip(fake_features, real_features, strict=True)
    ]
    return torch.stack(distances).mean()
