"""The ranks of a run: what they exchange, and what differs between them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

T = TypeVar("T")


def average(tensors: Iterable[Tensor]) -> None:
    """Replace `tensors` in place by their means over all ranks, with one exchange for each dtype.

    Every rank must give tensors of the same shapes in the same order, and then holds the same bits.
    A value that is not finite on some rank is finite on none. In a single process nothing happens.
    """
    if not several():
        return
    by_dtype: dict[torch.dtype, list[Tensor]] = defaultdict(list)
    for tensor in tensors:
        by_dtype[tensor.dtype].append(tensor.detach())
    for dtype in sorted(by_dtype, key=str):
        group = by_dtype[dtype]
        flat = torch.cat([tensor.reshape(-1) for tensor in group])
        distributed.all_reduce(flat)
        flat /= distributed.get_world_size()
        means = torch.split(flat, [tensor.numel() for tensor in group])
        for tensor, mean in zip(group, means, strict=True):
            tensor.copy_(mean.view(tensor.shape))


def gathered(value: T) -> list[T]:
    """Return the `value` of every rank, which can be pickled; the host waits for all of them."""
    if not several():
        return [value]
    values: list[T] = [value] * distributed.get_world_size()
    distributed.all_gather_object(values, value)
    return values


def by_view(ours: Mapping[int, T]) -> dict[int, T]:
    """Return the findings of all ranks by their views' numbers, in the order of these.

    Each view of validation is there once. Every rank must call this equally often, with its own
    findings, which can be pickled.
    """
    found: dict[int, T] = {}
    for theirs in gathered(dict(ours)):
        found |= theirs
    return {number: found[number] for number in sorted(found)}


def several() -> bool:
    """Whether there is more than one process."""
    return (
        distributed.is_available()
        and distributed.is_initialized()
        and distributed.get_world_size() > 1
    )


def is_first() -> bool:
    """Whether this is the first process, or the only one."""
    return not several() or distributed.get_rank() == 0


def no_exchange(wrapper: object) -> AbstractContextManager[None]:
    """Keep data parallelism, if `wrapper` is that, from averaging in each backward pass."""
    if isinstance(wrapper, DistributedDataParallel):
        return wrapper.no_sync()
    return nullcontext()


def keep_to_each(module: nn.Module, part: str) -> None:
    """Keep data parallelism from a part of `module` that every rank computes for itself.

    The part may then be on any device.
    """
    names = [f"{part}.{name}" for name in module.get_submodule(part).state_dict()]
    wrapper: Any = DistributedDataParallel  # torch has no annotations there
    wrapper._set_params_and_buffers_to_ignore_for_model(module, names)


def reseed(seed: int, step: int, rank: int) -> None:
    """Make all randomness in a step a function of the step.

    No generator's state need be stored then.
    """
    from lightning import seed_everything  # two seconds, which not every use of this module needs

    entropy = np.random.SeedSequence([seed, step, rank]).generate_state(1)
    seed_everything(int(entropy[0]), verbose=False)
