"""The running average of a network's weights."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


class EMA(nn.Module):
    """Exponential moving average of a network: parameters and float buffers averaged, integer buffers copied.

    After update t the decay is ``min(decay, (1 + t) / (10 + t))``, so that the random start is soon forgotten. Before
    its first update the average is the network itself. Batch-norm statistics are averaged with the weights they
    belong to; the weights alone would be normalised wrongly.
    """

    updates: Tensor

    def __init__(self, network: nn.Module, *, decay: float) -> None:
        super().__init__()
        if not 0 <= decay < 1:
            raise ValueError(f"ema.decay is {decay}; it must be at least 0 and below 1, as 0.999.")
        self.decay = decay
        self.average = copy.deepcopy(network).eval().requires_grad_(False)
        self.register_buffer("updates", torch.zeros((), dtype=torch.long))

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Move the average towards `network`."""
        self.updates += 1
        decay = torch.clamp((1 + self.updates) / (10 + self.updates), max=self.decay)
        current = network.state_dict()
        for name, average in self.average.state_dict().items():
            if average.is_floating_point():
                average.lerp_(current[name].to(average), 1 - decay.to(average))
            else:
                average.copy_(current[name])

    def train(self, mode: bool = True) -> EMA:
        """Stay in evaluation mode: the average is only ever used, never trained."""
        return super().train(False)
