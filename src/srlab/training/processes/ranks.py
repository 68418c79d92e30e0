"""The ranks of a run: their exchange of values, and random numbers for each of them."""

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

    Every rank must give tensors of the same shapes in the same order. The means are then the same,
    bit for bit, on every rank. If a value is not finite on one rank, its mean is not finite either.
    In a single process nothing happens.
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

        sizes = [tensor.numel() for tensor in group]
        means = torch.split(flat, sizes)
        for tensor, mean in zip(group, means, strict=True):
            tensor.copy_(mean.view(tensor.shape))


def gathered(value: T) -> list[T]:
    """Return the `value` of every rank, in their order; the host waits for all ranks.

    The value must be one that can be pickled.
    """
    if not several():
        return [value]
    values: list[T] = [value] * distributed.get_world_size()
    distributed.all_gather_object(values, value)
    return values


def by_view(ours: Mapping[int, T]) -> dict[int, T]:
    """Return the results for all validation views on all ranks, by the rising number of the view.

    `ours` are the results of this rank's views, by number; they can be pickled. Every rank must
    call this equally often.
    """
    found: dict[int, T] = {}
    for theirs in gathered(dict(ours)):
        found |= theirs
    return {number: found[number] for number in sorted(found)}


def several() -> bool:
    """Return whether the run has more than one process."""
    return (
        distributed.is_available()
        and distributed.is_initialized()
        and distributed.get_world_size() > 1
    )


def is_first() -> bool:
    """Return whether this is the first process, or the only one."""
    return not several() or distributed.get_rank() == 0


def no_exchange(wrapper: object) -> AbstractContextManager[None]:
    """Keep `wrapper` from averaging gradients in each backward pass, if it is DDP."""
    if isinstance(wrapper, DistributedDataParallel):
        return wrapper.no_sync()
    return nullcontext()


def keep_out_of_ddp(module: nn.Module, part: str) -> None:
    """Keep DDP from a part of `module` that every rank computes for itself.

    The part may then be on any device.
    """
    names = [f"{part}.{name}" for name in module.get_submodule(part).state_dict()]
    wrapper: Any = DistributedDataParallel  # torch does not annotate the method.
    wrapper._set_params_and_buffers_to_ignore_for_model(module, names)


def reseed(seed: int, step: int, rank: int) -> None:
    """Seed all random generators by the run's seed, the step and the rank.

    All random numbers of a step then depend on these alone. So a checkpoint need not hold the
    states of generators.
    """
    from lightning import seed_everything  # The import takes two seconds, and few callers need it.

    entropy = np.random.SeedSequence([seed, step, rank]).generate_state(1)
    seed_everything(int(entropy[0]), verbose=False)
