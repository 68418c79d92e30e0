"""Receptive fields, measured by a NaN in one input pixel and its trace in the output."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

Radii = tuple[int | None, ...]
"""A radius in pixels along each spatial axis.

It is None if a layer sees the whole image, or if the radius is longer than was measured.
"""


def measured_reach(
    layers: Callable[[Tensor], Tensor],
    *,
    channels: int,
    scale: Sequence[int],
    cells: Sequence[int],
    strips: Sequence[int],
) -> Radii:
    """Measure the radius of the receptive field of layers along each spatial axis.

    It is the largest distance at which an input pixel changes the output, in input pixels, rounded
    up. `layers` map float64 ``(1, channels, *S)`` on a CPU to ``(1, C', *S·scale)``.

    The layers are applied to a strip: an image that is one pixel wide along all other axes. It is
    zero except for one NaN. Every output pixel that depends on this pixel becomes NaN. This is
    exact even where weights are zero, where a gradient would vanish.

    Some networks work on cells of several pixels, `cells` along each axis. Then the distance
    depends on the position of the NaN within a cell, and the largest distance counts. `strips` are
    the lengths of the strips to try, in cells, in ascending order.

    The radius is None along an axis if no strip is long enough, or if the layers replace NaN by a
    number. It is also None if the layers refuse such a thin strip, for example to pad it by
    reflection.
    """
    radii = []
    for axis, cell in enumerate(cells):
        radius = None
        for strip in strips:
            radius = _radius(
                layers, axis, channels=channels, scale=scale, cell=cell, length=strip * cell
            )
            if radius is not None:
                break
        radii.append(radius)
    return tuple(radii)


def exact_copy(layers: nn.Module) -> nn.Module:
    """Return a copy in float64, on the CPU and in evaluation mode."""
    return copy.deepcopy(layers).eval().to(device="cpu", dtype=torch.float64)


def _radius(
    layers: Callable[[Tensor], Tensor],
    axis: int,
    *,
    channels: int,
    scale: Sequence[int],
    cell: int,
    length: int,
) -> int | None:
    """Return the largest distance for a NaN at all positions of a cell in the middle of a strip.

    It is None if the distance is unknown for one of them. The strip has `length` pixels.
    """
    middle = length // 2
    distances = []
    for position in range(middle, middle + cell):
        strip = _strip_with_nan(channels, len(scale), axis, length, position)
        distances.append(_nan_distance(layers, strip, axis, position, scale[axis]))
    known = [distance for distance in distances if distance is not None]
    return max(known) if len(known) == cell else None


def _strip_with_nan(channels: int, dims: int, axis: int, length: int, position: int) -> Tensor:
    """Return a strip of `length` pixels along one axis, with a NaN in all channels of one pixel."""
    size = [1] * dims
    size[axis] = length
    strip = torch.zeros(1, channels, *size, dtype=torch.float64)
    strip.select(2 + axis, position).fill_(torch.nan)
    return strip


@torch.inference_mode()
def _nan_distance(
    layers: Callable[[Tensor], Tensor], strip: Tensor, axis: int, position: int, factor: int
) -> int | None:
    """Return the largest distance from the NaN at which the output is NaN, in input pixels.

    It is None if the strip is too short or too thin, or the layers replace NaN by a number.
    """
    try:
        output = layers(strip)
    except RuntimeError:  # some layers refuse so thin a strip, for example reflection padding
        return None
    touched = output.isnan().movedim(2 + axis, 0).flatten(1).any(dim=1)
    reached = touched.view(strip.shape[2 + axis], factor).any(dim=1)
    at_an_end = bool(reached[0] or reached[-1])
    if at_an_end or not reached.any():
        return None
    positions = reached.nonzero().flatten()
    return int((positions - position).abs().max())
