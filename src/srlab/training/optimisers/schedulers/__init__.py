"""Learning-rate schedulers, for cases where those of torch do not suffice.

A scheduler is stepped once after each generator update, for either network. Schedulers of torch
work as they are, with two exceptions: its plateau needs a metric at each step, and its chains
cannot contain a plateau (pytorch issue 68978).
"""

from srlab.training.optimisers.schedulers.chained import Chained
from srlab.training.optimisers.schedulers.piecewise import Piecewise
from srlab.training.optimisers.schedulers.plateau import Plateau
from srlab.training.optimisers.schedulers.protocol import Scheduler, Validated
from srlab.training.optimisers.schedulers.warmup import Warmup

__all__ = ["Chained", "Piecewise", "Plateau", "Scheduler", "Validated", "Warmup"]
