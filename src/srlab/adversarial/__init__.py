"""Adversarial objectives, penalties on the discriminator's gradient, and feature matching.

An objective has two losses: one that the generator minimises, and one that the discriminator
minimises. `protocol` holds the interfaces. `checks`, `heads` and `ranks` are shared parts.

HR images are called real, and SR images fake.
"""

from srlab.adversarial.bce import BCE
from srlab.adversarial.feature_matching import feature_matching
from srlab.adversarial.hinge import Hinge
from srlab.adversarial.lsgan import LSGAN
from srlab.adversarial.penalty import R1, WGANGP
from srlab.adversarial.protocol import Logits, Objective, Penalty
from srlab.adversarial.relativistic import Relativistic
from srlab.adversarial.wgan import WGAN

__all__ = [
    "BCE",
    "LSGAN",
    "R1",
    "WGAN",
    "WGANGP",
    "Hinge",
    "Logits",
    "Objective",
    "Penalty",
    "Relativistic",
    "feature_matching",
]
