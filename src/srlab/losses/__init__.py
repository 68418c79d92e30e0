"""Loss terms ``(sr, hr, context)``, and the weighted sum of them."""

from srlab.losses.context import Context
from srlab.losses.pixel import L1, L2
from srlab.losses.weighted import LossValue, Term, WeightedLoss

__all__ = ["L1", "L2", "Context", "LossValue", "Term", "WeightedLoss"]
