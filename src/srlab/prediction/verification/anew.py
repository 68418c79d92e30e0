"""Windows of an output, computed anew."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from srlab.axes import Window
from srlab.models.super_resolver import SuperResolver
from srlab.prediction.blocks import block
from srlab.prediction.job import Job

Pixels = NDArray[np.float32]


class Anew:
    """Computes windows of an output, of which `places` among the predicted channels are its own."""

    def __init__(self, job: Job, models: Sequence[SuperResolver], places: Sequence[int]) -> None:
        self._job, self._places = job, list(places)
        self._scene, self._predict = job.opened(models)

    def __call__(self, window: Window) -> Pixels:
        """Return ``(C, *window)``, before it is stored."""
        tiles = self._job.tiles
        pixels = block(self._predict, self._scene, tiles, window, batch_size=self._job.batch)
        return pixels[self._places]
