"""Learned upsampling by an integer factor per axis, in stages of prime factors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import zip_longest
from math import prod
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from srlab.mistakes import Mistake
from srlab.nn.dims import conv, transposed_conv
from srlab.nn.masks import repeated


def stages(scale: Sequence[int]) -> list[tuple[int, ...]]:
    """Split a scale into prime steps.

    ``(4, 4)`` gives ``[(2, 2), (2, 2)]`` and ``(1, 6, 3)`` gives ``[(1, 2, 3), (1, 3, 1)]``.
    """
    return list(zip_longest(*(_prime_factors(factor) for factor in scale), fillvalue=1))


def _prime_factors(number: int) -> list[int]:
    factors, divisor = [], 2
    while number > 1:
        while number % divisor == 0:
            factors.append(divisor)
            number //= divisor
        divisor += 1
    return factors


class PixelShuffle(nn.Module):
    """Channels rearranged into space (Shi et al. 2016, eq. 4).

    Maps ``(B, C·prod(scale), *S)`` to ``(B, C, *S·scale)``. In 2D the channel order is that of
    ``torch.nn.PixelShuffle``.
    """

    def __init__(self, scale: Sequence[int]) -> None:
        super().__init__()
        self.scale = tuple(scale)

    def forward(self, features: Tensor) -> Tensor:
        """Spread each group of ``prod(scale)`` channels over the cells of one pixel."""
        if len(self.scale) == 2 and len(set(self.scale)) == 1:
            return F.pixel_shuffle(features, self.scale[0])  # keeps channels last, where they are
        batch, channels, *size = features.shape
        dims = len(size)
        cells = features.reshape(batch, channels // prod(self.scale), *self.scale, *size)
        interleaved: list[int] = []
        for axis in range(2, 2 + dims):
            interleaved += [axis + dims, axis]
        finer = [length * factor for length, factor in zip(size, self.scale, strict=True)]
        return cells.permute(0, 1, *interleaved).reshape(batch, -1, *finer)


class PixelUnshuffle(nn.Module):
    """Space rearranged into channels (space-to-depth): the inverse of `PixelShuffle`.

    Maps ``(B, C, *S·scale)`` to ``(B, C·prod(scale), *S)``. So a guide of finer resolution, such as
    a panchromatic band, becomes channels of the LR input.
    """

    def __init__(self, scale: Sequence[int]) -> None:
        super().__init__()
        self.scale = tuple(scale)

    def forward(self, image: Tensor) -> Tensor:
        """Gather the cells of each coarse pixel into channels; sizes are multiples of the scale."""
        batch, channels, *size = image.shape
        if any(length % factor for length, factor in zip(size, self.scale, strict=True)):
            raise Mistake(
                f"an image of size {tuple(size)} has no whole cells of {self.scale}: crop it to "
                "multiples."
            )
        split: list[int] = []
        for length, factor in zip(size, self.scale, strict=True):
            split += [length // factor, factor]
        coarse = range(2, 2 + 2 * len(size), 2)
        cells = [axis + 1 for axis in coarse]
        rearranged = image.reshape(batch, channels, *split).permute(0, 1, *cells, *coarse)
        return rearranged.reshape(batch, channels * prod(self.scale), *split[::2])


class NearestUpsample(nn.Module):
    """Every pixel repeated ``scale`` times along each axis."""

    def __init__(self, scale: Sequence[int]) -> None:
        super().__init__()
        self.scale = tuple(scale)

    def forward(self, features: Tensor) -> Tensor:
        """``(B, C, *S)`` to ``(B, C, *S·scale)``."""
        return repeated(features, self.scale)


Upsampler = Literal["shuffle", "nearest", "transposed"]


def build_upsampler(
    kind: Upsampler,
    spatial_dims: int,
    channels: int,
    scale: Sequence[int],
    *,
    activation: Callable[[], nn.Module] = nn.Identity,
) -> nn.Sequential:
    """Build an upsampler of features, in stages of prime factors with an activation after each.

    A stage is a convolution and a pixel shuffle (Shi et al. 2016), a nearest-neighbour enlargement
    and a convolution (Odena et al. 2016), or a transposed convolution (Zeiler et al. 2010).
    """
    if kind not in _STAGES:
        raise Mistake(f"upsampler is {kind!r}; it must be one of {', '.join(get_args(Upsampler))}.")
    layers: list[nn.Module] = []
    for stage in stages(scale):
        layers += [*_STAGES[kind](spatial_dims, channels, stage), activation()]
    return nn.Sequential(*layers)


def _shuffle_stage(spatial_dims: int, channels: int, stage: Sequence[int]) -> list[nn.Module]:
    cells = prod(stage)
    expand = conv(spatial_dims, channels, channels * cells, 3)
    # unless all cells of a pixel start equal, SR starts as a checkerboard (Aitken et al. 2017)
    with torch.no_grad():
        for parameter in expand.parameters():
            parameter.copy_(parameter[::cells].repeat_interleave(cells, dim=0))
    return [expand, PixelShuffle(stage)]


def _nearest_stage(spatial_dims: int, channels: int, stage: Sequence[int]) -> list[nn.Module]:
    return [NearestUpsample(stage), conv(spatial_dims, channels, channels, 3)]


def _transposed_stage(spatial_dims: int, channels: int, stage: Sequence[int]) -> list[nn.Module]:
    return [transposed_conv(spatial_dims, channels, stage)]


_STAGES = {"shuffle": _shuffle_stage, "nearest": _nearest_stage, "transposed": _transposed_stage}
