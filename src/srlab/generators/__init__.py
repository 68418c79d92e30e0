"""Generators: LR ``(B, C, *S)`` to SR ``(B, C', *S·scale)``, one architecture a file."""

from srlab.generators.compact import Compact
from srlab.generators.interpolation import Interpolation
from srlab.generators.lka import LKA
from srlab.generators.msrresnet import MSRResNet
from srlab.generators.protocol import Generator, core, multiple_of, noise_channels, out_channels
from srlab.generators.rcab import RCAB
from srlab.generators.reach import margin, receptive_field
from srlab.generators.reduced import Reduced
from srlab.generators.residual import Residual
from srlab.generators.rrdb import RRDB
from srlab.generators.spandrel import Spandrel
from srlab.generators.srresnet import SRResNet
from srlab.generators.stochastic import Stochastic

__all__ = [
    "LKA",
    "RCAB",
    "RRDB",
    "Compact",
    "Generator",
    "Interpolation",
    "MSRResNet",
    "Reduced",
    "Residual",
    "SRResNet",
    "Spandrel",
    "Stochastic",
    "core",
    "margin",
    "multiple_of",
    "noise_channels",
    "out_channels",
    "receptive_field",
]
