"""Adversarial objectives, penalties and feature matching, one a file.

An objective has a generator's side and a discriminator's side.
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
