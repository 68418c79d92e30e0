"""Discriminators: HR ``(B, C, *S)`` to logits and features, one architecture a file."""

from srlab.discriminators.esrgan import ESRGANDiscriminator
from srlab.discriminators.judgement import Judgement
from srlab.discriminators.multiscale import MultiscaleDiscriminator
from srlab.discriminators.patchgan import PatchGANDiscriminator
from srlab.discriminators.srgan import SRGANDiscriminator
from srlab.discriminators.unet import UNetDiscriminator

__all__ = [
    "ESRGANDiscriminator",
    "Judgement",
    "MultiscaleDiscriminator",
    "PatchGANDiscriminator",
    "SRGANDiscriminator",
    "UNetDiscriminator",
]
