"""How far the value of one pixel travels through layers, measured by a NaN."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Radii = tuple[int | None, ...]
"""Pixels along each spatial axis; None where a layer sees everything, or further than measured."""


def measured_reach(
    layers: Callable[[Tensor], Tensor],
    *,
    channels: int,
    scale: Sequence[int],
    cells: Sequence[int],
    strips: Sequence[int],
) -> Radii:
    """Measure how far an input pixel reaches along each axis, in input pixels, rounded up.

    `layers` take float64 on a CPU, ``(1, channels, *S)`` to ``(1, C', *S·scale)``. A NaN goes into
    a strip that is one pixel wide, and the output shows how far it travels. That is exact, also
    through layers whose weights are zero, where a gradient would see nothing.

    A network may work on `cells` of several pixels. Its reach then depends on the NaN's place in a
    cell, and the longest one counts. `strips` are the lengths to try, in cells.

    None means that no strip was long enough, or that the layers replace a NaN by a number. It also
    means that they cannot see so thin a strip, for example because of reflection padding.
    """
    radii = []
    for axis, cell in enumerate(cells):

        def travelled(length: int, place: int, axis: int = axis) -> int | None:
            strip = _strip_with_nan(channels, len(scale), axis, length, place)
            return _travelled(layers, strip, axis, place, scale[axis])

        radii.append(_radius(travelled, cell, strips))
    return tuple(radii)


def _radius(
    travelled: Callable[[int, int], int | None], cell: int, strips: Sequence[int]
) -> int | None:
    """Return the longest way from any place of a cell, on the shortest strip that shows it."""
    for length in strips:
        middle = length * cell // 2
        ways = [travelled(length * cell, place) for place in range(middle, middle + cell)]
        known = [way for way in ways if way is not None]
        if len(known) == cell:
            return max(known)
    return None


def _strip_with_nan(channels: int, dims: int, axis: int, length: int, place: int) -> Tensor:
    size = [1] * dims
    size[axis] = length
    strip = torch.zeros(1, channels, *size, dtype=torch.float64)
    strip.select(2 + axis, place).fill_(torch.nan)
    return strip


@torch.inference_mode()
def _travelled(
    layers: Callable[[Tensor], Tensor], strip: Tensor, axis: int, place: int, factor: int
) -> int | None:
    """Return how many pixels the NaN travels from its place.

    None if the strip is too short to tell, or the layers replace the NaN by a number.
    """
    try:
        output = layers(strip)
    except RuntimeError:  # some layers cannot see so thin a strip, for example reflection padding
        return None
    touched = output.isnan().movedim(2 + axis, 0).flatten(1).any(dim=1)
    reached = touched.view(strip.shape[2 + axis], factor).any(dim=1)
    if reached[0] or reached[-1] or not reached.any():
        return None
    return int((reached.nonzero().flatten() - place).abs().max())
