"""A row of blocks, whose activations can be given up for memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint


class Trunk(nn.Sequential):
    """Blocks applied one after the other.

    With `checkpointing` only their inputs are kept for the backward pass, which computes each block
    again (Chen et al. 2016). That saves memory for about a third more time, with the same result.
    """

    def __init__(self, *blocks: nn.Module, checkpointing: bool) -> None:
        super().__init__(*blocks)
        self.checkpointing = checkpointing
        self._recomputed = _untraced() if checkpointing else None

    def forward(self, features: Tensor, *conditions: Tensor) -> Tensor:
        """``(B, C, *S)`` to the same shape; each block also gets the conditions (a style)."""
        for block in self:
            if self.checkpointing and torch.is_grad_enabled():
                features = self._recompute(block, features, *conditions)
            else:
                features = block(features, *conditions)
        return features

    def _recompute(self, block: nn.Module, *inputs: Tensor) -> Tensor:
        norms = [
            module
            for module in block.modules()
            if isinstance(module, _BatchNorm) and module.track_running_stats
        ]
        if norms and self._recomputed is not None:
            result: Tensor = self._recomputed(block, norms, *inputs)
            return result
        return _checkpoint(block, *inputs)


def _checkpoint(block: nn.Module, *inputs: Tensor, **options: Any) -> Tensor:
    result: Tensor = checkpoint(block, *inputs, use_reentrant=False, **options)
    return result


@cache
def _untraced() -> Callable[..., Tensor]:
    """Keep the pass from torch.compile, which cannot trace ``context_fn``.

    What torch imports for that takes two seconds, and so it waits until it is wanted.
    """
    disable: Any = torch.compiler.disable  # which has no annotations
    eager: Callable[..., Tensor] = disable(_recomputed_with_statistics)
    return eager


def _recomputed_with_statistics(
    block: nn.Module, norms: list[_BatchNorm], *inputs: Tensor
) -> Tensor:
    return _checkpoint(block, *inputs, context_fn=lambda: (nullcontext(), _statistics_kept(norms)))


@contextmanager
def _statistics_kept(norms: list[_BatchNorm]) -> Iterator[None]:
    """Keep batch norm from counting a batch twice, once in each pass over it.

    A momentum of zero leaves the running statistics as they are. The pass still saves as many
    tensors as the first, as torch demands.
    """
    before = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
        if norm.num_batches_tracked is not None:
            norm.num_batches_tracked = norm.num_batches_tracked.clone()
    try:
        yield
    finally:
        for norm, (momentum, batches) in zip(norms, before, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, batches
