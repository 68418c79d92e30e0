"""Learning rates over a run, where torch's own schedulers do not suffice.

A scheduler is stepped once after each generator update, whichever network it is for. torch's own
work as they are, with two exceptions. Its plateau wants a metric at each step, and its chains
cannot hold a plateau (pytorch issue 68978).
"""

from srlab.training.optimisers.schedulers.chained import Chained
from srlab.training.optimisers.schedulers.piecewise import Piecewise
from srlab.training.optimisers.schedulers.plateau import Plateau
from srlab.training.optimisers.schedulers.protocol import Scheduler, Validated
from srlab.training.optimisers.schedulers.warmup import Warmup

__all__ = ["Chained", "Piecewise", "Plateau", "Scheduler", "Validated", "Warmup"]
