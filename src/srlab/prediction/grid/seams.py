"""Seams between tiles: whether there can be any, and how much they can change."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from srlab.axes import per_axis
from srlab.generators import receptive_field
from srlab.io import Reader
from srlab.io.across import Order
from srlab.models.super_resolver import SuperResolver
from srlab.prediction.grid.samples import middle, part_in_the_middle
from srlab.prediction.grid.tiles import TileGrid
from srlab.prediction.network.across import orders_for

TOLERANCE = 1e-3
"""The share of the training range that tiling may change where no overlap is exact."""


def tolerance(model: SuperResolver) -> float:
    """Return what tiling may change where no overlap is exact, in physical units."""
    return TOLERANCE * max(high - low for low, high in model.card.training_range)


def exact_overlap(model: SuperResolver) -> tuple[int | None, ...]:
    """Return the least overlap along each axis of a model that leaves no seam; None: none does.

    It is the radius of the receptive field, and what a projection sees beyond that.
    """
    beyond: Sequence[int | None] = (0,) * model.card.spatial_dims
    if model.agreement:
        beyond = model.agreement.reach
    pairs = zip(receptive_field(model.generator), beyond, strict=True)
    return tuple(None if own is None else own + (more or 0) for own, more in pairs)


def seams(
    models: Sequence[SuperResolver], reader: Reader, tiles: TileGrid, *, scene: Tensor | None = None
) -> str:
    """Say in a few words what seams an output has: none, or how much they change at most.

    Where tiles contribute pixels that are nearer to a border than the network sees, the change is
    measured on a sample of the scene.
    """
    cut = tiles.divided_axes
    if not cut:
        return "no seams (no image is divided)"
    worst = 0.0, 0.0
    for model in models:
        for order in orders_for(model.card, reader.description):
            seen = order[-model.card.spatial_dims :]
            short = _too_short(model, [tiles.surroundings[axis] for axis in seen])
            measured = [axis for axis in short if seen[axis] in cut]
            if measured:
                error = _measured(model, reader, tiles, order, measured, scene)
                worst = max(worst, (error, tolerance(model)))
    error, allowed = worst
    if not allowed:
        return "no seams (tiles overlap by all that the network sees)"
    return f"seams change a sample by {error:.2g} at most ({allowed:.2g} is tolerated)"


def _too_short(model: SuperResolver, surroundings: Sequence[int]) -> list[int]:
    """Return the axes of a model along which tiles see less than they need around their part."""
    pairs = enumerate(zip(surroundings, exact_overlap(model), strict=True))
    return [axis for axis, (got, exact) in pairs if exact is None or got < exact]


def _measured(
    model: SuperResolver,
    reader: Reader,
    tiles: TileGrid,
    order: Order,
    axes: Sequence[int],
    scene: Tensor | None,
) -> float:
    """Measure seams across some `axes` of a model that sees the axes of a file in an `order`."""
    seen = order[-model.card.spatial_dims :]
    surroundings = [tiles.surroundings[axis] for axis in seen]
    sides = [max(tiles.tile[axis] // 2, 32, 3 * tiles.surroundings[axis]) for axis in seen]
    sample = middle(part_in_the_middle(model, reader, order), tuple(sides))
    return tiling_error(model, surroundings, sample, axes=axes, scene=scene)


def tiling_error(
    model: SuperResolver,
    overlap: int | Sequence[int],
    sample: Tensor,
    *,
    axes: Sequence[int] | None = None,
    scene: Tensor | None = None,
) -> float:
    """Return the largest change, in physical units, that a seam makes on `sample` ``(1, C, *S)``.

    The sample is cut in the middle of each of the spatial `axes` in turn (None: of all). The half
    that keeps `overlap` LR pixels beyond the cut is compared with the whole.
    """
    whole = model.tile(sample, scene=scene)
    overlaps = per_axis(overlap, model.card.spatial_dims, least=0)
    worst = 0.0
    for number in axes if axes is not None else range(len(overlaps)):
        axis, factor = number + 2, model.card.scale[number]
        half = sample.shape[axis] // 2
        if half == 0:
            continue
        kept = min(half + overlaps[number], sample.shape[axis])
        tile = model.tile(sample.narrow(axis, 0, kept), scene=scene)
        difference = tile.narrow(axis, 0, half * factor) - whole.narrow(axis, 0, half * factor)
        worst = max(worst, float(torch.abs(difference).max()))
    return worst
