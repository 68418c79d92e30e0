"""Faster arithmetic that changes no name and no number beyond rounding."""

from __future__ import annotations

import torch
from torch import nn


def accelerate(network: nn.Module, *, channels_last: bool, compiled: bool) -> None:
    """Lay a network's weights out with the channels last, and compile it; both in place.

    With the channels last convolutions need no rearrangement on GPUs with tensor cores and on CPUs in bfloat16.
    Compilation (``torch.compile``) takes a minute or so at the first step, and leaves the names of weights alone.
    """
    if channels_last:
        for module in network.modules():
            for parameter in module.parameters(recurse=False):
                if parameter.ndim in (4, 5):
                    layout = torch.channels_last if parameter.ndim == 4 else torch.channels_last_3d
                    parameter.data = parameter.data.contiguous(memory_format=layout)
    if compiled:
        network.compile()
