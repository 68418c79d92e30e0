"""Measuring of the overlap that tiles need so that their projections fit together."""

from __future__ import annotations

import torch
from torch import Tensor

from srlab.degradations.projection import Projection

TOLERANCE = 2e-5
"""The allowed difference from LR, of values up to 1: twice the tolerance of a projection."""

OVERLAPS = (0, 2, 4, 6, 8, 10, 12, 16, 20, 24, 32, 48)
"""The overlaps to try, in LR pixels."""

HALF = 64
"""LR pixels on each side of the cut; more than any overlap."""


def projection_reach(projection: Projection, *, channels: int) -> tuple[int | None, ...]:
    """Return the overlap along each axis, in LR pixels, with which tiles project seamlessly.

    It is measured on an image of noise that is cut in the middle into two overlapping tiles. An
    overlap suffices if the projected tiles, put together, degrade to LR within `TOLERANCE`. None
    means that no overlap does: the degradation sees the whole axis, like k-space.
    """
    axes = range(len(projection.scale))
    return tuple(_reach(projection, axis, channels) for axis in axes)


def _reach(projection: Projection, axis: int, channels: int) -> int | None:
    """Return the smallest of `OVERLAPS` that is enough along one axis, or None."""
    sides = [1] * len(projection.scale)
    sides[axis] = 2 * HALF
    finer = [side * factor for side, factor in zip(sides, projection.scale, strict=True)]
    random = torch.Generator().manual_seed(0)
    lr = torch.rand(1, channels, *sides, generator=random)
    sr = torch.rand(1, channels, *finer, generator=random)
    for overlap in OVERLAPS:
        rest = projection.degrade(_halves(projection, sr, lr, 2 + axis, overlap)) - lr
        if float(rest.abs().max()) <= TOLERANCE:
            return overlap
    return None


def _halves(projection: Projection, sr: Tensor, lr: Tensor, axis: int, overlap: int) -> Tensor:
    """Project the two halves along an axis with an overlap, and put them together."""
    factor = projection.scale[axis - 2]
    halves = []
    for start, core in ((0, 0), (HALF - overlap, overlap)):
        own = lr.narrow(axis, start, HALF + overlap)
        finer = sr.narrow(axis, start * factor, (HALF + overlap) * factor)
        halves.append(projection(finer, own).narrow(axis, core * factor, HALF * factor))
    return torch.cat(halves, dim=axis)
