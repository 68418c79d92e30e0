"""Averages over the processes of a distributed run."""

from __future__ import annotations

import torch
from torch import Tensor, distributed


def mean_over_ranks(value: Tensor) -> Tensor:
    """Average `value` over ranks, differentiably; in a single process it is `value` itself.

    The gradient is averaged over ranks in turn. Data parallelism averages the gradients of the
    parameters, too. So these come out as the gradients of the mean of all ranks' losses. Every rank
    must take part, forward and backward alike.
    """
    if not (distributed.is_available() and distributed.is_initialized()):
        return value
    mean: Tensor = _MeanOverRanks.apply(value)
    return mean


class _MeanOverRanks(torch.autograd.Function):
    """An average with a gradient, which the public ``distributed.all_reduce`` lacks."""

    @staticmethod
    def forward(ctx: object, value: Tensor) -> Tensor:
        return _reduced(value)

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> Tensor:
        return _reduced(gradient)


def _reduced(value: Tensor) -> Tensor:
    total = value.detach().clone(memory_format=torch.contiguous_format)
    distributed.all_reduce(total)
    return total / distributed.get_world_size()
