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


def stages(scale: Sequence[int]) -> list[tuple[int, ...]]:
    """Split a scale into prime steps: ``(4, 4) -> [(2, 2), (2, 2)]``, ``(1, 6, 3) -> [(1, 2, 3), (1, 3, 1)]``."""
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
    """Rearrange channels into space, ``(B, C·prod(scale), *S) -> (B, C, *S·scale)`` (Shi et al. 2016, eq. 4).

    In 2D the channel order is that of ``torch.nn.PixelShuffle``.
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
        interleaved = [axis for i in range(dims) for axis in (2 + dims + i, 2 + i)]
        finer = [length * factor for length, factor in zip(size, self.scale, strict=True)]
        return cells.permute(0, 1, *interleaved).reshape(batch, -1, *finer)


class PixelUnshuffle(nn.Module):
    """Rearrange space into channels, ``(B, C, *S·scale) -> (B, C·prod(scale), *S)``: the inverse of `PixelShuffle`.

    So a guide of finer resolution, as a panchromatic band, becomes channels of the LR input (space-to-depth).
    """

    def __init__(self, scale: Sequence[int]) -> None:
        super().__init__()
        self.scale = tuple(scale)

    def forward(self, image: Tensor) -> Tensor:
        """Gather the cells of each coarse pixel into its channels; sizes must be multiples of the scale."""
        batch, channels, *size = image.shape
        if any(length % factor for length, factor in zip(size, self.scale, strict=True)):
            raise Mistake(
                f"an image of size {tuple(size)} has no whole cells of {self.scale}: crop it to multiples."
            )
        dims = len(size)
        split = [
            part
            for length, factor in zip(size, self.scale, strict=True)
            for part in (length // factor, factor)
        ]
        coarse, cells = [2 + 2 * i for i in range(dims)], [3 + 2 * i for i in range(dims)]
        rearranged = image.reshape(batch, channels, *split).permute(0, 1, *cells, *coarse)
        return rearranged.reshape(batch, channels * prod(self.scale), *split[::2])


class NearestUpsample(nn.Module):
    """Repeat every pixel ``scale`` times along each axis."""

    def __init__(self, scale: Sequence[int]) -> None:
        super().__init__()
        self.scale = tuple(scale)

    def forward(self, features: Tensor) -> Tensor:
        """``(B, C, *S) -> (B, C, *S·scale)``."""
        for axis, factor in enumerate(self.scale, start=2):
            if factor > 1:
                features = features.repeat_interleave(factor, dim=axis)
        return features


Upsampler = Literal["shuffle", "nearest", "transposed"]


def upsampler(
    kind: Upsampler,
    spatial_dims: int,
    channels: int,
    scale: Sequence[int],
    *,
    activation: Callable[[], nn.Module] = nn.Identity,
) -> nn.Sequential:
    """Upsample features in stages of prime factors, each followed by an activation.

    A stage is a convolution and a pixel shuffle (Shi et al. 2016), a nearest-neighbour enlargement and a convolution
    (Odena et al. 2016), or a transposed convolution (Zeiler et al. 2010).
    """
    make = {
        "shuffle": _shuffle_stage,
        "nearest": _nearest_stage,
        "transposed": _transposed_stage,
    }.get(kind)
    if make is None:
        raise Mistake(f"upsampler is {kind!r}; it must be one of {', '.join(get_args(Upsampler))}.")
    layers: list[nn.Module] = []
    for stage in stages(scale):
        layers += [*make(spatial_dims, channels, stage), activation()]
    return nn.Sequential(*layers)


def _shuffle_stage(spatial_dims: int, channels: int, stage: Sequence[int]) -> list[nn.Module]:
    cells = prod(stage)
    expand = conv(spatial_dims, channels, channels * cells, 3)
    with torch.no_grad():  # all cells of a pixel start equal, or SR starts as a checkerboard (Aitken et al. 2017, ICNR)
        for parameter in expand.parameters():
            parameter.copy_(parameter[::cells].repeat_interleave(cells, dim=0))
    return [expand, PixelShuffle(stage)]


def _nearest_stage(spatial_dims: int, channels: int, stage: Sequence[int]) -> list[nn.Module]:
    return [NearestUpsample(stage), conv(spatial_dims, channels, channels, 3)]


def _transposed_stage(spatial_dims: int, channels: int, stage: Sequence[int]) -> list[nn.Module]:
    return [transposed_conv(spatial_dims, channels, stage)]
