"""Optimisation: optimiser, learning rates and clipping of one network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn
from torch.optim import Optimizer

from srlab.mistakes import Mistake
from srlab.training.optimisers.clipping import Clip
from srlab.training.optimisers.schedulers import Scheduler

# Parameters of other normalisation layers have a single axis, which is reason enough.
_NORMS_WITH_SEVERAL_AXES = (nn.LayerNorm, nn.RMSNorm)


@dataclass(frozen=True, kw_only=True)
class Optimisation:
    """The optimiser of one network, its learning rates, and the clipping of its gradients."""

    optimiser: Callable[[list[dict[str, Any]]], Optimizer]
    """Builds the optimiser from parameter groups: ``partial(torch.optim.Adam, lr=1e-4)``, say."""

    scheduler: Callable[[Optimizer], Scheduler]
    """Builds the learning-rate scheduler of the optimiser."""

    clip: Clip | None = None
    """Clips the gradients; None: they are not clipped."""

    def build(self, network: nn.Module) -> tuple[Optimizer, Scheduler]:
        """Build the optimiser and scheduler; a `Mistake` if `network` has nothing to train."""
        optimiser = self.optimiser(parameter_groups(network))
        return optimiser, self.scheduler(optimiser)


def parameter_groups(network: nn.Module) -> list[dict[str, Any]]:
    """Return the parameters to train: a group with the optimiser's weight decay, and one without.

    Decay applies to parameters with two or more axes, such as the weights of linear and
    convolutional layers. It does not apply to biases, gains, slopes of PReLU, and other parameters
    of normalisation layers. Frozen parameters are in neither group.
    """
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    if not trained:
        raise Mistake(f"{type(network).__name__} has nothing to train; choose another network.")

    without_decay = {id(parameter) for parameter in trained if parameter.ndim < 2}
    for module in network.modules():
        if isinstance(module, _NORMS_WITH_SEVERAL_AXES):
            without_decay |= {id(parameter) for parameter in module.parameters(recurse=False)}

    decayed = [parameter for parameter in trained if id(parameter) not in without_decay]
    others = [parameter for parameter in trained if id(parameter) in without_decay]
    groups: list[dict[str, Any]] = [
        {"params": decayed},
        {"params": others, "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]
