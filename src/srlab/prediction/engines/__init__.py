"""Engines: each decides who computes the blocks of an output, and when; one a file."""

from srlab.prediction.engines.dask import Dask
from srlab.prediction.engines.local import Local, run
from srlab.prediction.engines.protocol import Engine

__all__ = ["Dask", "Engine", "Local", "run"]
