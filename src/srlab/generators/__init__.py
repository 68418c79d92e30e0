"""Generators: LR ``(B, C, *S)`` to SR ``(B, C', *S·scale)``, one architecture a file."""

from srlab.generators.protocol import Generator
from srlab.generators.rrdb import RRDB
from srlab.generators.srresnet import SRResNet

__all__ = ["RRDB", "Generator", "SRResNet"]
