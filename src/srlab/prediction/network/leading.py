"""Scenes with more axes than a model: slices of volumes, frames, volumes of a series.

Their tiles have one entry along each of the first axes, which the model does not see.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from srlab.axes import Window
from srlab.io import Reader
from srlab.nn.shrinking import Spare
from srlab.prediction.blocks import Predict

Pixels = NDArray[np.float32]


class Part:
    """A reader of the part of a scene that lies at `place` along its first axes.

    Its place in the world is left out, since a part alone has none in most formats.
    """

    def __init__(self, scene: Reader, place: Sequence[int]) -> None:
        self._scene = scene
        self._place = tuple(slice(index, index + 1) for index in place)
        whole, first = scene.description, len(place)
        self.description = replace(
            whole, shape=whole.shape[first:], axes=whole.axes[first:], geometry=None
        )

    def __str__(self) -> str:
        return str(self._scene)

    def read(self, window: Window) -> Pixels:
        """Read ``(C, *window)`` in physical units, NaN where there is no data."""
        values = self._scene.read((*self._place, *window))
        return values.reshape(len(values), *values.shape[1 + len(self._place) :])

    def close(self) -> None:
        """Release the file."""
        self._scene.close()


class AlongLeading:
    """A prediction of tiles that have one entry along the first `leading` axes."""

    def __init__(self, predict: Predict, leading: int) -> None:
        self._predict, self._leading = predict, leading

    def __call__(self, lr: Pixels, inside: Sequence[Window], spare: Spare) -> Pixels:
        """Return SR ``(N, C', 1, …, *S·scale)`` of LR ``(N, C, 1, …, *S)``."""
        count, channels, *sizes = lr.shape
        ones, spatial = sizes[: self._leading], sizes[self._leading :]
        seen = [window[self._leading :] for window in inside]
        images = lr.reshape(count, channels, *spatial)
        sr = self._predict(images, seen, spare[self._leading :])
        return sr.reshape(*sr.shape[:2], *ones, *sr.shape[2:])
