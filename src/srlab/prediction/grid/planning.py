"""The grid of tiles for a model and a scene, with the overlap that the network needs."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from math import lcm
from typing import Any, Literal

import torch
from torch import Tensor

from srlab.axes import is_count
from srlab.generators import margin, multiple_of, receptive_field
from srlab.io import Reader
from srlab.io.across import SPACE, Order
from srlab.mistakes import Mistake
from srlab.models.super_resolver import SuperResolver
from srlab.nn.edges import Edges, check_edges
from srlab.prediction.grid.footprint import fitting_side
from srlab.prediction.grid.samples import middle, part_in_the_middle
from srlab.prediction.grid.seams import exact_overlap, tiling_error, tolerance
from srlab.prediction.grid.shots import longest_shot
from srlab.prediction.grid.tiles import Join, TileGrid
from srlab.prediction.network.across import file_scale, in_file, orders_for
from srlab.prediction.network.projection import check_overlap, uncut

log = logging.getLogger(__name__)

SLICES_TILE = 192
"""The most LR pixels a side of ``tile="auto"``, for a volume that is cut into planes."""

CANDIDATES = (4, 8, 16, 32, 64, 128)
"""The overlaps that are measured, in LR pixels."""


def plan_tiles(
    model: SuperResolver,
    reader: Reader,
    *,
    tile: int | Sequence[int] | str = "auto",
    overlap: int | Sequence[int] | str = "auto",
    edges: Edges | Literal["auto"] = "auto",
    join: Join | Literal["auto"] = "auto",
    scene: Tensor | None = None,
    device: torch.device | None = None,
    cuts: Sequence[int] = (),
) -> TileGrid:
    """Settle the tiles of a scene; `tile` and `overlap` are in LR pixels.

    A scene with more axes than the model takes has tiles of one entry along the first of them. For
    a model of the planes across thick slices, tiles are parts of the volume. ``tile="auto"`` is
    what fits into the memory of the `device`, by default a CPU (`fitting_side`).

    ``overlap="auto"`` is the radius of the receptive field if that is at most a quarter of the
    tile. Tiling then changes nothing. Otherwise it is the smallest overlap that changes a sample of
    the scene by no more than `TOLERANCE`. Blended tiles have twice as much, since they fade
    over half their overlap. A scene in a single tile is continued beyond its borders as in a call
    of the model. ``join="auto"`` crops where the overlap is exact, and blends where none is.
    ``edges="auto"`` is what the model's card says. `scene` is as for `Predictor`.
    `cuts` are the frames of a video that begin a new shot. No tile looks across them.
    """
    leading = check_input(model, reader)
    whole = reader.description.shape
    reader = longest_shot(reader, cuts, axis=leading)
    beyond = model.card.edges if edges == "auto" else check_edges(edges)
    shape = reader.description.shape
    dims, alone = len(shape) - leading, (1,) * leading
    orders = orders_for(model.card, reader.description)
    longest = alone + _sides(model, tile, dims, device or torch.device("cpu"))
    if model.agreement:
        longest = uncut(model.agreement, shape, longest, orders[0], asked=tile != "auto")
    if join == "auto":
        join = _fitting_join(model, shape, longest)
    given = _pixels("overlap", overlap, dims, least=0)
    if given is None:
        overlaps = _overlap_in_all_orders(model, reader, orders, longest, beyond, join, scene)
    else:
        overlaps = (0,) * leading + given
    if given is not None and model.agreement:
        check_overlap(model.agreement, shape, longest, overlaps, orders[0], times=_times(join))
    cells = [in_file(order, multiple_of(model.generator), otherwise=1) for order in orders]
    return TileGrid(
        whole,
        tile=longest,
        overlap=overlaps,
        scale=file_scale(model.card, reader.description),
        multiple_of=tuple(map(lcm, *cells)),
        edges=beyond,
        leading=leading,
        join=join,
        cuts=tuple(cuts),
    )


def _sides(
    model: SuperResolver, tile: int | Sequence[int] | str, dims: int, device: torch.device
) -> tuple[int, ...]:
    """Return the most LR pixels of a tile along each axis that it is divided along."""
    given = _pixels("tile", tile, dims, least=1)
    if given is not None:
        return given
    side = fitting_side(model, device)
    if model.card.across:
        side = min(side, SLICES_TILE)
    return (side,) * dims


def _overlap_in_all_orders(
    model: SuperResolver,
    reader: Reader,
    orders: Sequence[Order],
    tile: tuple[int, ...],
    edges: Edges,
    join: Join,
    scene: Tensor | None,
) -> tuple[int, ...]:
    """Return the automatic overlap along each axis of a file, for every order of its axes."""
    around = (0,) * model.card.spatial_dims
    if edges != "zeros":
        around = margin(model.generator)
    found = [_overlap_in_order(model, reader, order, tile, around, join, scene) for order in orders]
    return tuple(max(pixels) for pixels in zip(*found, strict=True))


def _fitting_join(model: SuperResolver, shape: Sequence[int], tile: Sequence[int]) -> Join:
    """Crop, unless there are several tiles and some layer sees everything along an axis."""
    cut = any(size > side for size, side in zip(shape, tile, strict=True))
    return "blend" if cut and None in receptive_field(model.generator) else "crop"


def _overlap_in_order(
    model: SuperResolver,
    reader: Reader,
    order: Order,
    tile: tuple[int, ...],
    around: tuple[int, ...],
    join: Join,
    scene: Tensor | None,
) -> tuple[int, ...]:
    """Return the automatic overlap along each axis of a file that a model sees in an `order`."""
    seen = order[-model.card.spatial_dims :]
    one = part_in_the_middle(model, reader, order)
    longest = tuple(tile[axis] for axis in seen)
    overlap = _automatic_overlap(model, one, longest, around, join, scene)
    return in_file(order, overlap, otherwise=0)


def check_input(model: SuperResolver, reader: Reader) -> int:
    """Return how many axes the input has before those of the model.

    Raises a `Mistake` if it has fewer axes, or another number of channels, than the model takes.
    """
    description = reader.description
    got = len(description.channels), len(description.shape)
    dims = SPACE if model.card.across else model.card.spatial_dims
    wanted = model.generator.in_channels, dims
    if got[0] != wanted[0] or got[1] < wanted[1]:
        raise Mistake(
            f"the input has {got[0]} channels and {got[1]} spatial axes; the model takes "
            f"{wanted[0]} and {wanted[1]}."
        )
    return got[1] - wanted[1]


def _pixels(
    name: str, value: int | Sequence[int] | str, dims: int, *, least: int
) -> tuple[int, ...] | None:
    """Spell out a setting with one number of LR pixels for each axis; None is "auto"."""
    if value == "auto":
        return None
    axes: tuple[Any, ...] = tuple(value) if isinstance(value, Sequence) else (value,) * dims
    if len(axes) != dims or not all(is_count(entry, least=least) for entry in axes):
        raise Mistake(
            f"{name} is {value!r}; give 'auto', one number of LR pixels >= {least}, or one for "
            f"each of {dims} axes."
        )
    return axes


def _automatic_overlap(
    model: SuperResolver,
    reader: Reader,
    tile: tuple[int, ...],
    around: tuple[int, ...],
    join: Join,
    scene: Tensor | None,
) -> tuple[int, ...]:
    """Settle the overlap of tiles; `around` serves the axes that lie in one tile whole."""
    sizes = zip(reader.description.shape, tile, strict=True)
    cut = [axis for axis, (size, side) in enumerate(sizes) if size > side]
    if not cut:
        return around
    exact, times = exact_overlap(model), _times(join)
    overlap = [0 if pixels is None else times * pixels for pixels in exact]
    if all(exact[axis] is not None and overlap[axis] <= tile[axis] // 4 for axis in cut):
        _log_exact(model, overlap, times=times)
    else:
        overlap = _inexact_overlap(model, reader, tile, cut, join, scene)
    return _along(cut, overlap, otherwise=around)


def _inexact_overlap(
    model: SuperResolver,
    reader: Reader,
    tile: tuple[int, ...],
    cut: Sequence[int],
    join: Join,
    scene: Tensor | None,
) -> list[int]:
    """Measure the overlap along the axes that are `cut`, where no exact one fits into a tile."""
    times = _times(join)
    # Half a tile is quick to measure. Around small tiles the sample must show what they do not see.
    sample = middle(reader, tuple(max(side // 2, 32) for side in tile))
    widest = min(min(tile[axis] // (3 * times), sample.shape[2 + axis] // 2) for axis in cut)
    seen, error = _smallest_overlap(model, sample, cut, widest, scene)
    log.info(
        "overlap %d LR pixels: %s; on a sample of the scene tiling changes %.3g, where the "
        "tolerance is %.3g",
        times * seen, _why_inexact(model, join), error, tolerance(model),
    )  # fmt: skip
    if error > tolerance(model):
        log.warning(
            "that is beyond the tolerance: use larger tiles (tile=) or more overlap (overlap=)"
        )
    return [times * (seen + more) for more in _reach_of_projection(model)]


def _log_exact(model: SuperResolver, overlap: Sequence[int], *, times: int) -> None:
    """Say why an overlap leaves no seam."""
    log.info(
        "overlap %s LR pixels: %sthe receptive field's radius%s, so no seam can show",
        tuple(overlap), "twice " if times == 2 else "",
        f" and the {_reach_of_projection(model)} of a projection" if model.agreement else "",
    )  # fmt: skip


def _reach_of_projection(model: SuperResolver) -> tuple[int, ...]:
    """Return the LR pixels that a projection sees along each axis; 0 where it sees all or none."""
    if not model.agreement:
        return (0,) * model.card.spatial_dims
    return tuple(pixels or 0 for pixels in model.agreement.reach)


def _why_inexact(model: SuperResolver, join: Join) -> str:
    radius = receptive_field(model.generator)
    if None not in radius:
        return f"the receptive field {radius} is too large for these tiles"
    met = "fade into each other" if join == "blend" else "meet in steps"
    return f"the network sees all of an image, so no overlap is exact and tiles {met}"


def _times(join: Join) -> int:
    """Return the factor from the pixels that a tile must see around its part to its overlap.

    A blended tile also contributes half of its overlap, around which only the other half lies.
    """
    return 2 if join == "blend" else 1


def _along(
    axes: Sequence[int], pixels: Sequence[int], *, otherwise: Sequence[int]
) -> tuple[int, ...]:
    """Take the number of pixels of each of the `axes`, and that of `otherwise` for the others."""
    pairs = enumerate(zip(pixels, otherwise, strict=True))
    return tuple(own if axis in axes else other for axis, (own, other) in pairs)


def _smallest_overlap(
    model: SuperResolver,
    sample: Tensor,
    cut: Sequence[int],
    widest: int,
    scene: Tensor | None,
) -> tuple[int, float]:
    """Return the smallest overlap within the tolerance, or the widest that fits, and its error."""
    candidates = [pixels for pixels in CANDIDATES if pixels < widest] or [max(widest, 1)]
    for overlap in candidates:
        error = tiling_error(model, overlap, sample, axes=cut, scene=scene)
        if error <= tolerance(model):
            break
    return overlap, error
