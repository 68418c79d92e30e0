"""EMA: a running average of a network's weights."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Self

import torch
from torch import Tensor, nn

from srlab.mistakes import Mistake


class EMA(nn.Module):
    """Exponential moving average of a network's parameters and float buffers.

    At an update the average becomes ``decay · average + (1 - decay) · network``. With `warmup`, the
    decay at the t-th update of the average is ``min(decay, (1 + t) / (10 + t))``, so that the first
    weights are soon forgotten. The average begins after `start_step` updates of the network. Until
    then it equals the network.

    Integer buffers are copied. Running statistics of batch norm are averaged like the weights,
    since the latest statistics would not fit averaged weights.

    `device`, such as ``cpu``, is where the average is kept; None keeps it with the network. Another
    device than the network's saves GPU memory, and costs a copy at each update.

    Raises a `Mistake` if `decay` is not in [0, 1) or `start_step` is negative.
    """

    updates: Tensor

    def __init__(
        self,
        network: nn.Module,
        *,
        decay: float,
        start_step: int = 0,
        warmup: bool = True,
        device: str | None = None,
    ) -> None:
        super().__init__()
        if not 0 <= decay < 1:
            raise Mistake(f"ema.decay is {decay}; give a number from 0 to below 1, such as 0.999.")
        if start_step < 0:
            raise Mistake(
                f"ema.start_step is {start_step}; give a number of generator updates >= 0."
            )

        self.decay = decay
        self.start_step = start_step
        self.warmup = warmup
        self.device = device
        self.average = copy.deepcopy(network).eval().requires_grad_(False)
        if device is not None:
            self.average.to(device)
        self.register_buffer("updates", torch.zeros((), dtype=torch.long))

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Move the average towards `network` after its update number `step`, counted from 1."""
        current = network.state_dict()
        if step <= self.start_step:
            for name, average in self.average.state_dict().items():
                average.copy_(current[name])
            return

        self.updates += 1
        decay: Tensor = torch.full((), self.decay, device=self.updates.device)
        if self.warmup:
            warming = (1 + self.updates) / (10 + self.updates)
            decay = torch.minimum(decay, warming)

        for name, average in self.average.state_dict().items():
            if average.is_floating_point():
                average.lerp_(current[name].to(average), 1 - decay.to(average))
            else:
                average.copy_(current[name])

    def on(self, device: torch.device) -> nn.Module:
        """Return the average on a device; this is a copy if the average is kept elsewhere."""
        devices = [tensor.device for tensor in self.average.state_dict().values()]
        if not devices or devices[0] == device:
            return self.average
        return copy.deepcopy(self.average).to(device)

    def train(self, mode: bool = True) -> EMA:
        """Stay in evaluation mode, since the average is never trained."""
        return super().train(False)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Follow a parent module to its device, unless the average has a device of its own."""
        if self.device is not None:
            return self
        move: Callable[..., Self] = super()._apply  # torch does not annotate it
        return move(fn, recurse)
