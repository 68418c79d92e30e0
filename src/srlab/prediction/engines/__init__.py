"""Engines: the order of blocks, and what becomes of them; one a file."""

from srlab.prediction.engines.local import run

__all__ = ["run"]
