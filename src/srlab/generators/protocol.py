"""The contract of every generator."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from srlab.axes import per_axis
from srlab.nn.shrinking import Spare, nothing, without


class Generator(Protocol):
    """An ``nn.Module`` from LR to SR in the network's range, for any size.

    A stochastic one takes a second argument ``noise`` ``(B, noise_channels)``, drawn once for an
    image. Without it the result is deterministic. A third party's generator may leave out
    `out_channels`, `multiple_of`, `noise_channels` and `core`: use the functions below.
    """

    in_channels: int
    out_channels: int
    scale: tuple[int, ...]
    """One integer for each spatial axis."""

    multiple_of: tuple[int, ...]
    """Tiles should start on these multiples of LR pixels, one for each spatial axis."""

    noise_channels: int | None
    """Length of the noise vector; None for a generator that takes no noise."""

    def __call__(self, lr: Tensor) -> Tensor:
        """LR ``(B, C, *S)`` to SR ``(B, C', *S·scale)``."""

    def core(self, lr: Tensor, *, spare: Spare) -> Tensor:
        """Return the same SR without `spare` LR pixels at its borders, with less arithmetic."""


def out_channels(generator: object) -> int | None:
    """Return the number of output channels, or None where the generator does not say it."""
    channels: int | None = getattr(generator, "out_channels", None)
    return channels


def multiple_of(generator: Generator) -> tuple[int, ...]:
    """Return the multiples that tiles should start on; ones where the generator names none."""
    return per_axis(getattr(generator, "multiple_of", 1), len(generator.scale))


def noise_channels(generator: object) -> int | None:
    """Return the length of the noise vector, or None if the generator takes no noise."""
    channels: int | None = getattr(generator, "noise_channels", None)
    return channels


def core(generator: Generator, *inputs: Tensor, spare: Spare) -> Tensor:
    """Return SR of LR ``(B, C, *S)``, the first of the `inputs`, without its `spare` LR pixels."""
    own = getattr(generator, "core", None)
    if own is None:
        return without(generator(*inputs), spare, nothing(spare), scale=generator.scale)
    sr: Tensor = own(*inputs, spare=spare)
    return sr
