"""Normalisers: physical units to the network's range and back, one a file."""

from srlab.normalisers.identity import Identity
from srlab.normalisers.minmax import MinMax
from srlab.normalisers.protocol import Normaliser
from srlab.normalisers.reflectance import Reflectance

__all__ = ["Identity", "MinMax", "Normaliser", "Reflectance"]
