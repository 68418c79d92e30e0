"""What updates the weights of a network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn
from torch.optim import Optimizer

from srlab.mistakes import Mistake
from srlab.training.optimisers.clipping import Clip
from srlab.training.optimisers.schedulers import Scheduler

_NORMS = (nn.LayerNorm, nn.RMSNorm)  # the parameters of others have a single axis


@dataclass(frozen=True, kw_only=True)
class Training:
    """How one network is optimised: by what, at which learning rates, and with what bound on its gradients."""

    optimiser: Callable[[list[dict[str, Any]]], Optimizer]
    """Builds an optimiser of groups of parameters, as ``functools.partial(torch.optim.Adam, lr=1e-4)`` does."""

    scheduler: Callable[[Optimizer], Scheduler]
    clip: Clip | None = None

    def build(self, network: nn.Module) -> tuple[Optimizer, Scheduler]:
        """Build both for what `network` has to train; with nothing to train it is a ``ValueError``."""
        optimiser = self.optimiser(parameter_groups(network))
        return optimiser, self.scheduler(optimiser)


def parameter_groups(network: nn.Module) -> list[dict[str, Any]]:
    """Return what is trained as at most two groups of an optimiser: what its weight decay applies to, and the rest.

    Decay pulls towards zero what multiplies signals: the weights of linear and convolutional layers, and every other
    parameter with two or more axes. Left alone are the parameters of normalisation layers and those with fewer axes:
    biases, gains, slopes of PReLU. Frozen parameters belong to neither.
    """
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    if not trained:
        raise Mistake(f"{type(network).__name__} has nothing to train; choose another network.")
    norms = (module for module in network.modules() if isinstance(module, _NORMS))
    spared = {id(parameter) for norm in norms for parameter in norm.parameters(recurse=False)}
    spared |= {id(parameter) for parameter in trained if parameter.ndim < 2}
    groups: list[dict[str, Any]] = [
        {"params": [parameter for parameter in trained if id(parameter) not in spared]},
        {
            "params": [parameter for parameter in trained if id(parameter) in spared],
            "weight_decay": 0.0,
        },
    ]
    return [group for group in groups if group["params"]]
