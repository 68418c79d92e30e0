"""Faster computation with the same results up to rounding."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_CHANNELS_LAST = {4: torch.channels_last, 5: torch.channels_last_3d}
"""The memory layout of convolution weights in 2D, which have 4 axes, and in 3D, which have 5."""


def laid_out_like(image: Tensor, other: Tensor) -> Tensor:
    """Return ``(B, C, *S)`` with the channels last in memory, if those of another image are."""
    if other.stride(1) > 1:
        return image
    return image.contiguous(memory_format=_CHANNELS_LAST[image.ndim])


def accelerate(network: nn.Module, *, channels_last: bool, compiled: bool) -> None:
    """Change the memory layout of a network's weights, and compile it; both in place.

    With `channels_last` the channels become the last axis in memory. Convolutions then need not
    rearrange data on GPUs with tensor cores, and on CPUs in bfloat16. With `compiled` the network
    is compiled by ``torch.compile``, which takes about a minute at the first step. The names of the
    weights do not change.
    """
    if channels_last:
        for parameter in network.parameters():
            if parameter.ndim in _CHANNELS_LAST:
                layout = _CHANNELS_LAST[parameter.ndim]
                parameter.data = parameter.data.contiguous(memory_format=layout)
    if compiled:
        network.compile()
