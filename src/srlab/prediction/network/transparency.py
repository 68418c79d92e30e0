"""Transparency: an alpha band that goes round the network and comes back beside its SR."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from srlab.axes import Window
from srlab.files import PathLike
from srlab.io import Reader, open_reader
from srlab.nn.resample import enlarge
from srlab.nn.shrinking import Spare
from srlab.prediction.blocks import Predict

Pixels = NDArray[np.float32]


def alpha_of(path: PathLike, image: Reader) -> Reader | None:
    """Open the alpha band of a file, if it has one and `image` does not read it as data.

    Where a nodata value marks the empty pixels of `image`, none is needed.
    """
    if not all(channel.masked for channel in image.description.channels):
        return None
    colours = [channel.colour for channel in open_reader(path).description.channels]
    if "alpha" not in colours:
        return None
    return open_reader(path, bands=[colours.index("alpha") + 1])


class Transparent:
    """A reader of an image, and of its alpha band as the last channel.

    A pixel without data in the image, such as one without any opacity, is missing in all channels.
    """

    def __init__(self, image: Reader, alpha: Reader) -> None:
        self._image, self._alpha = image, alpha
        channels = [*image.description.channels, *alpha.description.channels]
        self.description = image.description.with_channels(channels)

    def __str__(self) -> str:
        return str(self._image)

    def read(self, window: Window) -> Pixels:
        """Read ``(C + 1, *window)`` in physical units, NaN where there is no data."""
        values = np.concatenate([self._image.read(window), self._alpha.read(window)])
        empty = np.isnan(values).any(axis=0)
        return np.where(empty, np.float32(np.nan), values)

    def close(self) -> None:
        """Release the file."""
        self._image.close()
        self._alpha.close()


class BesideAlpha:
    """A prediction of all channels but the last, which is the opacity and is interpolated.

    Linear interpolation keeps it within its range.
    """

    def __init__(self, predict: Predict, scale: Sequence[int]) -> None:
        self._predict, self._scale = predict, tuple(scale)

    def __call__(self, lr: Pixels, inside: Sequence[Window], spare: Spare) -> Pixels:
        """Return SR ``(N, C' + 1, *S·scale)`` of LR ``(N, C + 1, *S)``."""
        sr = self._predict(np.ascontiguousarray(lr[:, :-1]), inside, spare)
        alpha = enlarge(torch.from_numpy(lr[:, -1:]), self._scale, "linear").numpy()
        return np.concatenate([sr, alpha], axis=1)
