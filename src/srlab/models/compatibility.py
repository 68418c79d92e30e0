"""Whether an input is what a model was trained for."""

from __future__ import annotations

import numpy as np

from srlab.io import Reader, Window
from srlab.mistakes import Mistake
from srlab.models.bundle import ModelCard

PIXEL_SIZE_RATIO = 1.25
"""Pixels more than this factor coarser or finer than the training files' are another modality."""

LARGEST_RATIO, SMALLEST_RATIO = 8.0, 1 / 100
"""Values beyond these factors of the training files' are in another unit. A dark scene may well be of the same one, but
none is much brighter than all that a model was trained on; reflectance × 10 000 is some 20 times 8-bit values."""


def refuse_stranger(card: ModelCard, reader: Reader) -> None:
    """Raise a ``ValueError`` if the input has other axes or bands, pixels of another size or values of another unit."""
    if len(reader.shape) != card.spatial_dims:
        raise Mistake(
            f"the input has {len(reader.shape)} spatial axes; the model takes {card.spatial_dims}."
        )
    if len(reader.channels) != len(card.training_range):
        raise Mistake(
            f"the input has {len(reader.channels)} bands ({', '.join(reader.channels)}) and the model takes "
            f"{len(card.training_range)} ({', '.join(card.channels)}); choose bands= to match."
        )
    _compare_pixel_size(card, reader)
    _compare_range(card, reader)


def _compare_pixel_size(card: ModelCard, reader: Reader) -> None:
    size = reader.geometry.pixel_size
    if size is None or card.pixel_size is None:
        return
    for got, wanted in zip(size, card.pixel_size, strict=True):
        if not 1 / PIXEL_SIZE_RATIO <= got / wanted <= PIXEL_SIZE_RATIO:
            raise Mistake(
                f"the input's pixels are {_metres(size)} and the model was trained on {_metres(card.pixel_size)}; "
                "choose a model for this resolution, or force=true if you know better."
            )


def _metres(size: tuple[float, ...]) -> str:
    return " × ".join(f"{metres:.4g}" for metres in size) + " m"


def _compare_range(card: ModelCard, reader: Reader) -> None:
    values = np.concatenate(
        [reader.read(window).reshape(len(reader.channels), -1) for window in _probes(reader)], 1
    )
    for name, channel, (low, high) in zip(
        reader.channels, values, card.training_range, strict=True
    ):
        channel = np.abs(channel[np.isfinite(channel)])
        got = float(np.percentile(channel, 99.9)) if channel.size else 0.0
        wanted = max(abs(low), abs(high))
        if got > 0 and wanted > 0 and not SMALLEST_RATIO <= got / wanted <= LARGEST_RATIO:
            raise Mistake(
                f"the values of band {name} reach {got:.4g} and the model was trained on values up to {wanted:.4g} "
                f"({card.unit}); bring the input to that unit, or force=true if you know better."
            )


def _probes(reader: Reader, side: int = 64, per_axis: int = 4) -> list[Window]:
    """Windows on the diagonals of the scene: enough to tell reflectance from counts, whatever the scene's size."""
    windows = []
    for step in range(per_axis):
        for flipped in (False, True):
            window = []
            for axis, size in enumerate(reader.shape):
                position = step if not (flipped and axis % 2) else per_axis - 1 - step
                start = round(max(size - side, 0) * position / (per_axis - 1))
                window.append(slice(start, min(start + side, size)))
            windows.append(tuple(window))
    return windows
