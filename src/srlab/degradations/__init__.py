"""Degradations: HR batches to LR batches, one a file."""

from srlab.degradations.bicubic import Bicubic
from srlab.degradations.protocol import Degradation

__all__ = ["Bicubic", "Degradation"]
