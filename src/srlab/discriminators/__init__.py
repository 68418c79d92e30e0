"""Discriminators judge images ``(B, C, *S)``; each architecture has its own module."""

from srlab.discriminators.esrgan import ESRGANDiscriminator
from srlab.discriminators.multiscale import MultiscaleDiscriminator
from srlab.discriminators.patchgan import PatchGANDiscriminator
from srlab.discriminators.protocol import Discriminator, Judgement
from srlab.discriminators.srgan import SRGANDiscriminator
from srlab.discriminators.unet import UNetDiscriminator

__all__ = [
    "Discriminator",
    "ESRGANDiscriminator",
    "Judgement",
    "MultiscaleDiscriminator",
    "PatchGANDiscriminator",
    "SRGANDiscriminator",
    "UNetDiscriminator",
]
