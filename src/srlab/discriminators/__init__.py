"""Discriminators: HR ``(B, C, *S)`` to logits and features, one architecture a file."""

from srlab.discriminators.judgement import Judgement
from srlab.discriminators.srgan import SRGANDiscriminator

__all__ = ["Judgement", "SRGANDiscriminator"]
