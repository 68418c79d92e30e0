"""The average of a value over the processes (ranks) of a distributed run."""

from __future__ import annotations

import torch
from torch import Tensor, distributed


def mean_over_ranks(value: Tensor) -> Tensor:
    """Return the average of `value` over ranks, with a gradient; a single process returns `value`.

    The backward pass averages the gradient over ranks, too. Data parallelism then averages the
    gradients of the parameters. The result is the gradient of the mean loss of all ranks. Every
    rank must take part in both passes.
    """
    if not (distributed.is_available() and distributed.is_initialized()):
        return value
    mean: Tensor = _MeanOverRanks.apply(value)
    return mean


class _MeanOverRanks(torch.autograd.Function):
    """An average over ranks with a gradient, which ``distributed.all_reduce`` does not have."""

    @staticmethod
    def forward(ctx: object, value: Tensor) -> Tensor:
        return _averaged(value)

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> Tensor:
        return _averaged(gradient)


def _averaged(value: Tensor) -> Tensor:
    total = value.detach().clone(memory_format=torch.contiguous_format)
    distributed.all_reduce(total)
    return total / distributed.get_world_size()
