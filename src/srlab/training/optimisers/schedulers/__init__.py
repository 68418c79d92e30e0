"""Learning-rate schedulers that torch does not have in this form.

The scheduler of either network is stepped once after each generator update. Most schedulers of
torch can be used directly. There are two exceptions: its plateau scheduler needs a metric at each
step, and its chains cannot contain a plateau scheduler (pytorch issue 68978).
"""

from srlab.training.optimisers.schedulers.chained import Chained
from srlab.training.optimisers.schedulers.piecewise import Piecewise
from srlab.training.optimisers.schedulers.plateau import Plateau
from srlab.training.optimisers.schedulers.protocol import Scheduler, Validated
from srlab.training.optimisers.schedulers.warmup import Warmup

__all__ = ["Chained", "Piecewise", "Plateau", "Scheduler", "Validated", "Warmup"]
