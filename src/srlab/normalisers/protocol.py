"""The interface of normalisers, and functions that several normalisers share.

The network's range is the range of values that generators, discriminators and losses work on.
Often it is 0–1, or a few standard deviations around zero. Physical units are those of the files.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, Protocol, get_args

import torch
from torch import Tensor

from srlab.mistakes import Mistake
from srlab.normalisers.statistics import ROWS, Statistics

Scope = Literal["fixed", "training", "scene"]
"""The origin of a normaliser's numbers, such as its minimum or its mean.

- ``fixed``: the constructor's arguments.
- ``training``: the statistics of the training split. They are measured once and saved with the
  weights.
- ``scene``: the statistics of each whole file, never those of a tile or crop.
"""


MeasuredScope = Literal["training", "scene"]
"""The scopes of a normaliser whose numbers are measured."""


Measure = Callable[[], Statistics]
"""A function that reads the training split once and returns its statistics."""


class Normaliser(Protocol):
    """An ``nn.Module`` that maps physical units to the network's range and back.

    Its numbers are buffers, so they are saved with the weights. `inverse` undoes `hr` up to the
    rounding of float32, and clamps no value.

    The argument `scene` ``(B, rows, C + 1)`` holds the statistics of each image's file, see
    `Statistics.as_tensor`. Only normalisers of the scope ``scene`` read it.
    """

    scope: Scope

    def lr(self, image: Tensor, scene: Tensor | None = None) -> Tensor:
        """Map LR ``(B, C, *S)`` from physical units to the network's range."""

    def hr(self, image: Tensor, scene: Tensor | None = None) -> Tensor:
        """Map HR ``(B, C', *S)`` from physical units to the network's range."""

    def inverse(self, image: Tensor, scene: Tensor | None = None) -> Tensor:
        """Map SR ``(B, C', *S)`` from the network's range to physical units."""

    def fit(self, *, hr: Measure, lr: Measure) -> None:
        """Store the statistics of the training split; called for the scope ``training`` only.

        Each measure reads all data once, so a normaliser calls only the measures that it needs.
        """


def as_buffer(value: float | Sequence[float]) -> Tensor:
    """Return one number as float32 ``(1,)``, or one number for each channel as ``(C,)``."""
    return torch.as_tensor(value, dtype=torch.float32).reshape(-1)


def as_positive_buffer(name: str, value: float | Sequence[float]) -> Tensor:
    """Return positive numbers as `as_buffer` does.

    Raises a `Mistake` that begins with `name` if a number is not positive and finite.
    """
    numbers = as_buffer(value)
    if not bool((numbers > 0).all() and numbers.isfinite().all()):
        raise Mistake(f"{name} is {value}; give a positive number, or one for each channel.")
    return numbers


def along_channels(numbers: Tensor, image: Tensor) -> Tensor:
    """Reshape numbers ``(1,)``, ``(C,)`` or ``(B, C)`` to broadcast over an image ``(B, C, *S)``.

    LR may have more channels than HR: guides, which come last. So HR takes the first numbers.

    Raises a `Mistake` if there are fewer numbers than channels, but more than one.
    """
    channels = image.shape[1]
    if numbers.shape[-1] > channels:
        numbers = numbers[..., :channels]
    if numbers.shape[-1] not in (1, channels):
        raise Mistake(
            f"the normaliser has statistics for {numbers.shape[-1]} channels and the image has "
            f"{channels}; give one number, or one for each channel."
        )
    spatial_dims = image.ndim - 2
    return numbers.view(-1, numbers.shape[-1], *[1] * spatial_dims)


def statistics_buffer(channels: int, *, per_channel: bool) -> Tensor:
    """Return a buffer ``(rows, C)`` for the statistics of the training split, filled with NaN.

    It has a column for each channel, or a single column if `per_channel` is false.
    """
    columns = channels if per_channel else 1
    return torch.full((ROWS, columns), torch.nan)


def check_measured_scope(scope: MeasuredScope) -> Scope:
    """Return `scope` if it is ``training`` or ``scene``, and raise a `Mistake` otherwise."""
    if scope not in get_args(MeasuredScope):
        raise Mistake(f"normaliser.scope is {scope!r}; choose training or scene.")
    return scope


def statistics_in_use(
    buffer: Tensor, scene: Tensor | None, *, scope: Scope, per_channel: bool
) -> Tensor:
    """Return the statistics that a normaliser of the given `scope` works with.

    For ``training`` they are its own `buffer`, ``(1, rows, C)``. For ``scene`` they are columns of
    `scene`, ``(B, rows, C)``. C is 1 if `per_channel` is false.

    Raises a `Mistake` if the scope is ``scene`` and `scene` is None.
    """
    if scope == "training":
        return buffer[None]
    if scene is None:
        raise Mistake(
            "this model's normaliser needs the statistics of each whole image: give "
            "scene=Statistics.of(image).as_tensor()[None], with srlab.normalisers.Statistics."
        )
    return _columns(scene, per_channel=per_channel)


def store_statistics(
    buffer: Tensor, statistics: Statistics, *, channels: int, per_channel: bool
) -> None:
    """Copy the statistics of the training split into a buffer of `statistics_buffer`.

    Raises a `Mistake` if their number of channels is not `channels`, or a channel has no value.
    """
    if len(statistics.count) != channels:
        raise Mistake(
            f"the normaliser is for {channels} channels and the training images have "
            f"{len(statistics.count)}; set the normaliser's channels to their number."
        )
    table = _columns(statistics.as_tensor(), per_channel=per_channel)
    if not bool(table.isfinite().all()):
        raise Mistake("a channel of the training images holds no value at all; check data.root.")
    buffer.copy_(table)


def _columns(table: Tensor, *, per_channel: bool) -> Tensor:
    """Return the columns of the single channels, or the last one, for all channels together."""
    return table[..., :-1] if per_channel else table[..., -1:]
