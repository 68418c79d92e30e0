"""What the processes of a run tell each other, and what differs between them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from itertools import groupby
from typing import TypeVar

import numpy as np
import torch
from lightning import Trainer, seed_everything
from lightning.pytorch.strategies import (
    DDPStrategy,
    DeepSpeedStrategy,
    SingleDeviceStrategy,
    Strategy,
)
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from srlab.mistakes import Mistake

T = TypeVar("T")


def average(tensors: Iterable[Tensor]) -> None:
    """Replace `tensors` in place by their means over all ranks, with one exchange for each dtype.

    Every rank must give tensors of the same shapes in the same order, and then holds the same bits. A value that is
    not finite on some rank is finite on none. In a single process nothing happens.
    """
    if not several():
        return
    of_one_dtype = groupby(
        sorted(tensors, key=lambda tensor: str(tensor.dtype)), key=lambda tensor: tensor.dtype
    )
    for group in [[*group] for _, group in of_one_dtype]:
        flat = torch.cat([tensor.detach().reshape(-1) for tensor in group])
        distributed.all_reduce(flat)
        flat /= distributed.get_world_size()
        for tensor, mean in zip(
            group, torch.split(flat, [tensor.numel() for tensor in group]), strict=True
        ):
            tensor.detach().copy_(mean.view(tensor.shape))


def gathered(value: T) -> list[T]:
    """Return the `value` of every rank, which can be pickled; the host waits for all of them."""
    if not several():
        return [value]
    values: list[T] = [value] * distributed.get_world_size()
    distributed.all_gather_object(values, value)
    return values


def by_view(ours: Mapping[int, T]) -> dict[int, T]:
    """Return what all ranks found in their validation views, in the order of the views' numbers, each view once.

    Every rank must call it equally often, with what it found itself, which can be pickled.
    """
    found = {view: value for theirs in gathered(dict(ours)) for view, value in theirs.items()}
    return {view: found[view] for view in sorted(found)}


def several() -> bool:
    """Return whether there is more than one process."""
    return (
        distributed.is_available()
        and distributed.is_initialized()
        and distributed.get_world_size() > 1
    )


@contextmanager
def no_exchange(wrapper: object) -> Iterator[None]:
    """Keep data parallelism, if `wrapper` is that, from averaging gradients with each backward pass."""
    with wrapper.no_sync() if isinstance(wrapper, DistributedDataParallel) else nullcontext():
        yield


def check_strategy(strategy: Strategy) -> None:
    """Raise a ``ValueError`` if processes do not train two networks in turns by it."""
    known = isinstance(strategy, DDPStrategy | SingleDeviceStrategy) and not isinstance(
        strategy, DeepSpeedStrategy
    )
    if not known:
        raise Mistake(
            f"trainer.strategy is {type(strategy).__name__}, which does not train two networks in turns; choose "
            "trainer=ddp for several devices."
        )


def is_child(trainer: Trainer) -> bool:
    """Whether this process was started by Lightning's first one, which is killed when a child fails before it ends."""
    environment = getattr(trainer.strategy, "cluster_environment", None)
    return not (
        trainer.is_global_zero or environment is None or environment.creates_processes_externally
    )


def keep_to_each(module: nn.Module, part: str) -> None:
    """Have data parallelism leave out a part of `module` that every rank computes for itself, on any device."""
    names = [f"{part}.{name}" for name in module.get_submodule(part).state_dict()]
    DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(module, names)  # type: ignore[no-untyped-call]


def reseed(seed: int, step: int, rank: int) -> None:
    """Make what is random in a step a function of the step, so that no generator's state need be kept."""
    seed_everything(
        int(np.random.SeedSequence([seed, step, rank]).generate_state(1)[0]), verbose=False
    )
