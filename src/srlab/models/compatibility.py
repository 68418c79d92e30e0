"""The check that an input is of the kind that a model was trained for."""

from __future__ import annotations

from itertools import product

import numpy as np

from srlab.axes import Window
from srlab.io import Axis, Reader
from srlab.mistakes import Mistake
from srlab.models.card import ModelCard, base_spacing

PIXEL_SIZE_RATIO = 1.25
"""Pixels more than this factor coarser or finer than the training files' are another modality."""

LARGEST_RATIO, SMALLEST_RATIO = 8.0, 1 / 100
"""Values beyond these factors of the training files' are in another unit.

A dark scene may well be of the same unit, but none is much brighter than all training files.
Reflectance × 10 000 is some 20 times 8-bit values.
"""

PROBE, STEPS = 64, 4
"""The side of a probe in pixels, and the number of probes on each diagonal of a scene."""


def refuse_stranger(card: ModelCard, reader: Reader) -> None:
    """Raise a `Mistake` if the input has other axes, bands, pixel sizes or units than the model's.

    Where the normaliser measures each scene, the unit of the values is arbitrary and not compared.
    """
    description = reader.description
    if len(description.axes) != card.spatial_dims:
        raise Mistake(
            f"the input has {len(description.axes)} spatial axes; the model takes "
            f"{card.spatial_dims}."
        )
    names, wanted = description.names, card.input_names
    if len(names) != len(wanted):
        raise Mistake(
            f"the input has {len(names)} bands ({', '.join(names)}) and the model takes "
            f"{len(wanted)} ({', '.join(wanted)}); choose bands= to match."
        )
    _compare_pixels(card.axes, description.axes)
    if card.scope != "scene":
        _compare_range(card, reader)


def _compare_pixels(wanted: tuple[Axis, ...], got: tuple[Axis, ...]) -> None:
    """Compare spacings of one dimension, length or time, axis by axis."""
    for ours, theirs in zip(map(base_spacing, wanted), map(base_spacing, got), strict=True):
        if ours is None or theirs is None or ours[1] != theirs[1]:
            continue
        if not 1 / PIXEL_SIZE_RATIO <= theirs[0] / ours[0] <= PIXEL_SIZE_RATIO:
            raise Mistake(
                f"the input's pixels are {_sizes(got)} and the model was trained on "
                f"{_sizes(wanted)}; choose a model for this resolution, or force=true if you know "
                "better."
            )


def _sizes(axes: tuple[Axis, ...]) -> str:
    """Write the spacings, such as ``10 × 20 m`` or ``0.04 s × ? × ?``."""
    units = {axis.unit for axis in axes}
    if len(units) > 1:
        return " × ".join(_size(axis, axis.unit) for axis in axes)
    return " × ".join(_size(axis) for axis in axes) + f" {units.pop()}"


def _size(axis: Axis, unit: str | None = None) -> str:
    if axis.spacing is None:
        return "?"
    return f"{axis.spacing:.4g} {unit or ''}".strip()


def _compare_range(card: ModelCard, reader: Reader) -> None:
    names = reader.description.names
    probes = [reader.read(window) for window in _probes(reader.description.shape)]
    values = np.abs(np.concatenate([probe.reshape(len(names), -1) for probe in probes], axis=1))
    for name, channel, limits in zip(names, values, card.training_range, strict=True):
        channel = channel[np.isfinite(channel)]
        if not channel.size:
            continue
        got, wanted = float(np.percentile(channel, 99.9)), max(map(abs, limits))
        if got > 0 and wanted > 0 and not SMALLEST_RATIO <= got / wanted <= LARGEST_RATIO:
            raise Mistake(
                f"the values of band {name} reach {got:.4g} and the model was trained on values up "
                f"to {wanted:.4g} ({card.unit}); bring the input to that unit, or force=true if "
                "you know better."
            )


def _probes(shape: tuple[int, ...]) -> list[Window]:
    """Return windows on the diagonals of a scene, enough to tell units apart at any size."""
    return [_probe(shape, *place) for place in product(range(STEPS), (False, True))]


def _probe(shape: tuple[int, ...], step: int, flipped: bool) -> Window:
    """Return the window of one step along a diagonal; `flipped` turns every second axis round."""
    window = []
    for axis, size in enumerate(shape):
        position = step
        if flipped and axis % 2:
            position = STEPS - 1 - step
        start = round(max(size - PROBE, 0) * position / (STEPS - 1))
        window.append(slice(start, min(start + PROBE, size)))
    return tuple(window)
