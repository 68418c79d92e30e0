"""Adversarial objectives: a generator side and a discriminator side, one a file."""

from srlab.adversarial.bce import BCE
from srlab.adversarial.protocol import Logits, Objective

__all__ = ["BCE", "Logits", "Objective"]
