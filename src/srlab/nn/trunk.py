"""A sequence of blocks that can compute its activations twice to save memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint


class Trunk(nn.Sequential):
    """Blocks in sequence, with optional gradient checkpointing (Chen et al. 2016).

    With `checkpointing` only the input of each block is kept for the backward pass, which computes
    the block again. This saves memory and takes about a third more time. The result is the same.
    """

    def __init__(self, *blocks: nn.Module, checkpointing: bool) -> None:
        super().__init__(*blocks)
        self.checkpointing = checkpointing
        self._with_statistics = _eager_checkpoint_with_statistics() if checkpointing else None

    def forward(self, features: Tensor, *conditions: Tensor) -> Tensor:
        """Map features ``(B, C, *S)`` to the same shape.

        Each block also receives the `conditions`, for example a style vector.
        """
        for block in self:
            if self.checkpointing and torch.is_grad_enabled():
                features = self._checkpointed(block, features, *conditions)
            else:
                features = block(features, *conditions)
        return features

    def _checkpointed(self, block: nn.Module, *inputs: Tensor) -> Tensor:
        norms = [module for module in block.modules() if isinstance(module, _BatchNorm)]
        norms = [norm for norm in norms if norm.track_running_stats]
        if norms and self._with_statistics is not None:
            return self._with_statistics(block, norms, *inputs)
        return _checkpoint(block, *inputs)


def _checkpoint(block: nn.Module, *inputs: Tensor, **options: Any) -> Tensor:
    result: Tensor = checkpoint(block, *inputs, use_reentrant=False, **options)
    return result


@cache
def _eager_checkpoint_with_statistics() -> Callable[..., Tensor]:
    """Return `_checkpoint_with_statistics`, excluded from ``torch.compile``.

    ``torch.compile`` cannot trace the argument ``context_fn`` of a checkpoint. The exclusion makes
    torch import modules for two seconds. It is therefore done at the first use.
    """
    disable: Any = torch.compiler.disable  # it has no annotations
    eager: Callable[..., Tensor] = disable(_checkpoint_with_statistics)
    return eager


def _checkpoint_with_statistics(
    block: nn.Module, norms: list[_BatchNorm], *inputs: Tensor
) -> Tensor:
    """Checkpoint a block with batch norm, and update its running statistics only once."""

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        first_pass, second_pass = nullcontext(), _frozen_statistics(norms)
        return first_pass, second_pass

    return _checkpoint(block, *inputs, context_fn=contexts)


@contextmanager
def _frozen_statistics(norms: list[_BatchNorm]) -> Iterator[None]:
    """Keep batch norm from updating its running statistics in the second pass over a batch.

    Evaluation mode would save other tensors than the first pass, which torch refuses. Hence the
    momentum is zero, and the number of batches is restored.
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
