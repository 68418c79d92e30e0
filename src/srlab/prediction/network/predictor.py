"""A model as a function of tiles: the same tile gives the same bits in any batch."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from srlab.allocation import return_freed_memory
from srlab.axes import is_count
from srlab.generators import noise_channels
from srlab.mistakes import Mistake
from srlab.models.super_resolver import SuperResolver
from srlab.nn.acceleration import accelerate
from srlab.nn.collapsing import collapsed
from srlab.nn.shrinking import Spare, with_rim
from srlab.prediction.network.device import told_of
from srlab.prediction.network.threads import computing_threads
from srlab.prediction.network.transfer import transfer_to


class Predictor:
    """Runs a model on LR tiles ``(N, C, *S)`` in physical units, all of them finite.

    No bit of a tile's result depends on the tiles beside it. A CPU computes tiles one by one: it
    shares a batch out among threads, within an image too, and rounds differently where shares meet.
    Any other device is given batches of `batch_size`, the last one filled up, since another size
    may change the last bit. On a CPU the network runs with the channels last, which is 1.5 times as
    fast.

    A stochastic generator answers to `noise` ``(1, noise_channels)`` in every tile
    (`SuperResolver.draw_noise`). `scene` ``(1, rows, C + 1)`` holds the statistics of the whole
    scene, for normalisers that need them. With a `precision` of 16 bits the network computes in it
    where that is safe, and the normaliser does not. A `MemoryError` or `torch.OutOfMemoryError`
    says that the device has not enough memory, and a `Mistake` that it failed. Several threads may
    call it.
    """

    def __init__(
        self,
        model: SuperResolver,
        *,
        device: str | torch.device = "cpu",
        batch_size: int = 1,
        noise: Tensor | None = None,
        scene: Tensor | None = None,
        precision: torch.dtype = torch.float32,
    ) -> None:
        if not is_count(batch_size, least=1):
            raise Mistake(f"batch_size is {batch_size!r}; give a number of tiles >= 1.")
        _check_noise(model, noise)
        self.device = torch.device(device)
        with computing_threads(1):  # the composed weights must not depend on their number
            self.model = collapsed(model.to(self.device))
        if self.device.type == "cpu":
            accelerate(self.model.get_submodule("generator"), channels_last=True, compiled=False)
        self._transfer = transfer_to(self.device)
        self._latest_shape: tuple[int, ...] = ()
        self._precision = precision
        self.batch_size = 1 if self.device.type == "cpu" else batch_size
        self.noise = None if noise is None else noise.to(self.device)
        self.scene = None if scene is None else scene.to(self.device)

    def __call__(
        self, images: NDArray[np.float32], spare: Spare | None = None
    ) -> NDArray[np.float32]:
        """Return SR ``(N, C', *S·scale)`` in physical units; zero where `spare` LR pixels lie."""
        size = self.batch_size
        if len(images) > size:
            starts = range(0, len(images), size)
            return np.concatenate([self(images[start : start + size], spare) for start in starts])
        if self._latest_shape not in ((), images.shape[1:]):  # another shot of a video
            return_freed_memory()
        self._latest_shape = images.shape[1:]
        lr = torch.from_numpy(images)
        filler = lr[-1:].expand(size - len(lr), *lr.shape[1:])
        compute = partial(self._computed, spare=spare)
        with told_of(self.device):
            core = self._transfer(compute, torch.cat([lr, filler]))[: len(lr)]
        if spare is None:
            return core
        sr = with_rim(torch.from_numpy(core), spare, scale=self.model.card.scale)
        result: NDArray[np.float32] = sr.numpy()
        return result

    def _computed(self, batch: Tensor, *, spare: Spare | None) -> Tensor:
        """Return SR of LR, both on the device, without what is spare."""
        noise, scene = _for_each(self.noise, batch), _for_each(self.scene, batch)
        with self._autocast():
            return self.model.tile(batch, noise, scene, spare=spare).float()

    def _autocast(self) -> AbstractContextManager[None]:
        return torch.autocast(
            self.device.type, self._precision, enabled=self._precision != torch.float32
        )


def _for_each(values: Tensor | None, batch: Tensor) -> Tensor | None:
    """Give the same values to each image of a batch."""
    return None if values is None else values.expand(len(batch), *values.shape[1:])


def _check_noise(model: SuperResolver, noise: Tensor | None) -> None:
    channels = noise_channels(model.generator)
    if noise is None or noise.shape == (1, channels):
        return
    wanted = (
        "no noise" if channels is None else f"(1, {channels}), which its draw_noise(seed) gives"
    )
    raise Mistake(f"noise has the shape {tuple(noise.shape)}; this model takes {wanted}.")
