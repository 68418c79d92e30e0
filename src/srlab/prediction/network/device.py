"""The devices that models run on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch

from srlab.mistakes import Mistake

Devices = int | Literal["auto"]
"""A number of devices; ``auto``: all GPUs that are visible, or one of any other kind."""

TOO_LITTLE = ("can't allocate memory", "out of memory", "ALLOC_FAILED")
"""What a device without enough memory says, beside `torch.OutOfMemoryError`."""

FAILED = ("CUDA error", "cuDNN error", "HIP error", "device-side")
"""What a device says that failed, beside `torch.AcceleratorError`."""


def chosen_device(name: str) -> torch.device:
    """Return the device called `name`; ``auto`` is the GPU if there is one."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.zeros(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        if reason.startswith("Expected one of"):  # a list of some twenty kinds
            raise Mistake(f"device={name} is no device; give auto, cpu, cuda or cuda:1.") from error
        raise Mistake(f"device={name} cannot be used here: {reason}; try device=auto.") from error


def chosen_devices(name: str, count: Devices) -> tuple[str, ...]:
    """Return the names of `count` devices of the kind that is called `name`.

    A CPU counts as any number of them.

    Raises a `Mistake` if there are fewer GPUs, or `name` is that of a single one.
    """
    kind = chosen_device(name).type
    if kind == "cpu":
        return (kind,) * (1 if count == "auto" else count)
    names = [name]
    if ":" not in name:
        names = [f"{kind}:{number}" for number in range(torch.accelerator.device_count())]
    if count == "auto":
        count = len(names)
    if count > len(names):
        raise Mistake(
            f"devices is {count}, and device={name} has {len(names)} of them here; try "
            "devices=auto."
        )
    return tuple(names[:count])


@contextmanager
def told_of(device: torch.device) -> Iterator[None]:
    """Turn torch's errors into a `MemoryError`, or a `Mistake` that names the device."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        reason = str(error).partition("\n")[0]
        if any(words in reason for words in TOO_LITTLE):
            raise MemoryError(reason) from error
        failed = isinstance(error, torch.AcceleratorError)
        if failed or any(words in reason for words in FAILED):
            raise Mistake(
                f"the device {device} failed: {reason}. Look after it, or choose another by "
                "device=; a process that lost one cannot use it again."
            ) from error
        raise
