"""The interface of normalisers, and the arithmetic that they share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, Protocol, get_args

import torch
from torch import Tensor

from srlab.mistakes import Mistake
from srlab.normalisers.statistics import LEVELS, Statistics

Scope = Literal["fixed", "training", "scene"]
"""Where the numbers of a normaliser come from.

``fixed``: from its arguments. ``training``: from the training split, once, saved with the weights.
``scene``: from each file as a whole, never from a tile or crop of it.
"""


MeasuredScope = Literal["training", "scene"]
"""The scopes of a normaliser whose numbers are measured."""


Measure = Callable[[], Statistics]
"""Measures the training split in one pass, and returns its statistics."""


class Normaliser(Protocol):
    """An ``nn.Module`` that maps physical units to the network's range and back.

    Its numbers are buffers. `inverse` undoes `hr` to float accuracy and clamps nothing. `scene`
    ``(B, rows, C + 1)`` holds the statistics of each image's file (`Statistics.as_tensor`), for
    normalisers of the scope ``scene``.
    """

    scope: Scope

    def lr(self, image: Tensor, scene: Tensor | None = None) -> Tensor:
        """Bring LR ``(B, C, *S)`` from physical units to the network's range."""

    def hr(self, image: Tensor, scene: Tensor | None = None) -> Tensor:
        """Bring HR ``(B, C', *S)`` from physical units to the network's range."""

    def inverse(self, image: Tensor, scene: Tensor | None = None) -> Tensor:
        """Bring SR ``(B, C', *S)`` from the network's range to physical units."""

    def fit(self, *, hr: Measure, lr: Measure) -> None:
        """Take the numbers from the training split; called for the scope ``training`` alone.

        Each measure costs a pass over the data, so a normaliser calls only those it needs.
        """


def statistic(value: float | Sequence[float]) -> Tensor:
    """Return a buffer ``(1,)`` for one number, or ``(C,)`` for one number for each channel."""
    return torch.as_tensor(value, dtype=torch.float32).reshape(-1)


def positive(name: str, value: float | Sequence[float]) -> Tensor:
    """Return a buffer of positive numbers; raises a `Mistake` with the `name` for others."""
    numbers = statistic(value)
    if not bool((numbers > 0).all() and numbers.isfinite().all()):
        raise Mistake(f"{name} is {value}; give a positive number, or one for each channel.")
    return numbers


def along_channels(numbers: Tensor, image: Tensor) -> Tensor:
    """Shape ``(1,)``, ``(C,)`` or ``(B, C)`` numbers to broadcast over ``(B, C, *S)``.

    If there are more numbers than channels, the first ones are used: the channels of HR are the
    first of LR's, which also has guides.
    """
    channels = image.shape[1]
    if numbers.shape[-1] > channels:
        numbers = numbers[..., :channels]
    if numbers.shape[-1] not in (1, channels):
        raise Mistake(
            f"the normaliser has statistics for {numbers.shape[-1]} channels and the image has "
            f"{channels}; give one number, or one for each channel."
        )
    return numbers.view(-1, numbers.shape[-1], *[1] * (image.ndim - 2))


def unmeasured(channels: int, *, per_channel: bool) -> Tensor:
    """Return a buffer for the statistics of the training split, NaN until they are known.

    It has a column for each channel, or one for all.
    """
    return torch.full((4 + len(LEVELS), channels if per_channel else 1), torch.nan)


def check_measured_scope(scope: MeasuredScope) -> Scope:
    """Return `scope` if its numbers are measured, and raise a `Mistake` otherwise."""
    if scope not in get_args(MeasuredScope):
        raise Mistake(f"normaliser.scope is {scope!r}; choose training or scene.")
    return scope


def measured(own: Tensor, scene: Tensor | None, *, scope: Scope, per_channel: bool) -> Tensor:
    """Return the statistics to use, ``(1 or B, rows, C)``: the normaliser's own or the scenes'.

    Without `per_channel` there is one column for all channels.
    """
    if scope == "training":
        return own[None]
    if scene is None:
        raise Mistake(
            "this model's normaliser needs the statistics of each whole image: give "
            "scene=Statistics.of(image).as_tensor()[None], with srlab.normalisers.Statistics."
        )
    return _columns(scene, per_channel=per_channel)


def _columns(table: Tensor, *, per_channel: bool) -> Tensor:
    """Return the columns of the channels, or the last column, that of all channels together."""
    return table[..., :-1] if per_channel else table[..., -1:]


def take(own: Tensor, statistics: Statistics, *, channels: int, per_channel: bool) -> None:
    """Write statistics into the buffer `own`.

    Raises a `Mistake` if they are not of `channels` channels, or a channel has no values.
    """
    if len(statistics.count) != channels:
        raise Mistake(
            f"the normaliser is for {channels} channels and the training images have "
            f"{len(statistics.count)}; set the normaliser's channels to their number."
        )
    table = _columns(statistics.as_tensor(), per_channel=per_channel)
    if not bool(table.isfinite().all()):
        raise Mistake("a channel of the training images holds no value at all; check data.root.")
    own.copy_(table)
