"""The devices of a process, which share the tiles of an output."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from queue import SimpleQueue

import numpy as np
import torch
from numpy.typing import NDArray

from srlab.axes import Window
from srlab.io import Reader
from srlab.models.super_resolver import SuperResolver
from srlab.nn.shrinking import Spare
from srlab.prediction.blocks import Predict
from srlab.prediction.job import Job
from srlab.prediction.network.transfer import AT_A_TIME

Pixels = NDArray[np.float32]


def opened(models: Sequence[SuperResolver], job: Job) -> tuple[Reader, Predict, int]:
    """Return what reads a scene, what predicts its tiles, and how many threads may do so at a time.

    Each device has a copy of the models. There are no more devices than tiles.
    """
    devices = job.devices[: len(job.tiles)]
    copies = [models, *(deepcopy(models) for _ in devices[1:])]
    predicts: list[Predict] = []
    for device, own in zip(devices, copies, strict=True):
        reader, predict = replace(job, devices=(device,)).opened(own)
        predicts += [predict] * AT_A_TIME.get(torch.device(device).type, 1)
    if len(predicts) == 1:
        return reader, predicts[0], 1
    return reader, WhicheverIsFree(predicts), len(predicts)


class WhicheverIsFree:
    """A prediction by one of several that give the same bits."""

    def __init__(self, predicts: Sequence[Predict]) -> None:
        self._free: SimpleQueue[Predict] = SimpleQueue()
        for predict in predicts:
            self._free.put(predict)

    def __call__(self, lr: Pixels, inside: Sequence[Window], spare: Spare) -> Pixels:
        """Return SR ``(N, C', *S·scale)`` of LR ``(N, C, *S)``, once one is free."""
        predict = self._free.get()
        try:
            return predict(lr, inside, spare)
        finally:
            self._free.put(predict)
