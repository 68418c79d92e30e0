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

_NORMS = (nn.LayerNorm, nn.RMSNorm)  # the parameters of other norms have a single axis


@dataclass(frozen=True, kw_only=True)
class Optimisation:
    """The optimiser of one network, its learning rates, and the bound on its gradients."""

    optimiser: Callable[[list[dict[str, Any]]], Optimizer]
    """Builds the optimiser of parameter groups, like ``partial(torch.optim.Adam, lr=1e-4)``."""

    scheduler: Callable[[Optimizer], Scheduler]

    clip: Clip | None = None
    """None: gradients are left as they are."""

    def build(self, network: nn.Module) -> tuple[Optimizer, Scheduler]:
        """Build optimiser and scheduler of a network; a `Mistake` if it has nothing to train."""
        optimiser = self.optimiser(parameter_groups(network))
        return optimiser, self.scheduler(optimiser)


def parameter_groups(network: nn.Module) -> list[dict[str, Any]]:
    """Return the parameters to train: a group with the optimiser's weight decay, and one without.

    Decay applies to parameters with two or more axes, such as the weights of linear and
    convolutional layers. It does not apply to the parameters of normalisation layers, and to those
    with fewer axes: biases, gains, slopes of PReLU. Frozen parameters are in neither group.
    """
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    if not trained:
        raise Mistake(f"{type(network).__name__} has nothing to train; choose another network.")
    spared = {id(parameter) for parameter in trained if parameter.ndim < 2}
    for module in network.modules():
        if isinstance(module, _NORMS):
            spared.update(id(parameter) for parameter in module.parameters(recurse=False))
    with_decay = [parameter for parameter in trained if id(parameter) not in spared]
    without = [parameter for parameter in trained if id(parameter) in spared]
    groups: list[dict[str, Any]] = [
        {"params": with_decay},
        {"params": without, "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]
