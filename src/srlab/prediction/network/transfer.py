"""The way of a batch of tiles to a device, and of their SR back."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Compute = Callable[[Tensor], Tensor]

Transfer = Callable[[Compute, Tensor], NDArray[np.float32]]
"""Computes something of a batch on a device, and returns the result as an array.

Several threads may call it for one device.
"""

AT_A_TIME = {"cuda": 2}
"""The threads that keep a device busy, for kinds of devices that need several."""


def transfer_to(device: torch.device) -> Transfer:
    """Return the way to a device."""
    return Overlapped(device) if device.type == "cuda" else Plain(device)


class Plain:
    """The way to a device that shares this machine's memory."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def __call__(self, compute: Compute, batch: Tensor) -> NDArray[np.float32]:
        """Compute at once."""
        result: NDArray[np.float32] = compute(batch.to(self._device)).cpu().numpy()
        return result


class Overlapped:
    """The way to a GPU, which copies one batch while it computes another.

    It copies from and to pinned memory, each way in a stream of its own. While one thread waits for
    its result, another one gives the GPU its next batch. Threads take turns in giving, so that the
    GPU holds the values of the layers for one batch at a time. All that a batch needs is kept until
    its result is there, since another stream may be given freed memory at once.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._there, self._back = (
            torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
            for _ in range(2)
        )
        self._turn = Lock()

    def __call__(self, compute: Compute, batch: Tensor) -> NDArray[np.float32]:
        """Line up copying, computing and copying, and wait for the last of them."""
        pinned = batch.pin_memory()
        with self._turn:
            with torch.cuda.stream(self._there):
                given = pinned.to(self._device, non_blocking=True)
            here = torch.cuda.current_stream(self._device)
            here.wait_stream(self._there)
            computed = compute(given)
            self._back.wait_stream(here)
            with torch.cuda.stream(self._back):
                result = torch.empty(computed.shape, dtype=computed.dtype, pin_memory=True)
                result.copy_(computed, non_blocking=True)
                copied = self._back.record_event()
        copied.synchronize()
        array: NDArray[np.float32] = result.numpy()
        return array
