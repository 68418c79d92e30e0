"""From a reader through tiles and a `SuperResolver` to a writer, in flat memory."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from srlab.axes import per_axis
from srlab.io import Reader, Writer
from srlab.mistakes import Mistake
from srlab.models.super_resolver import SuperResolver
from srlab.nn.receptive_field import receptive_field
from srlab.prediction.tiles import Tile, TilePlan

log = logging.getLogger(__name__)

TILE = {2: 256, 3: 48}
"""The side of ``tile="auto"`` in LR pixels, for each number of spatial axes."""

TOLERANCE = 1e-3
"""What ``overlap="auto"`` allows tiling to change where no overlap is exact, as a share of the training range."""


def super_resolve(
    model: SuperResolver,
    reader: Reader,
    writer: Writer,
    *,
    plan: TilePlan,
    noise: Tensor | None = None,
    batch_size: int = 1,
    device: str | torch.device = "cpu",
    progress: bool = False,
) -> None:
    """Super-resolve a scene tile by tile; the writer is closed at the end, and aborted if anything fails.

    A stochastic generator answers to `noise` ``(1, noise_channels)`` in every tile; see `SuperResolver.draw_noise`.
    """
    from tqdm import tqdm

    try:
        _check_input(model, reader)
        _check_settings(model, noise, batch_size)
        model.to(device)
        with tqdm(total=len(plan), unit="tile", disable=not progress) as bar:
            for tiles in _batches(plan, batch_size):
                for tile, sr in zip(
                    tiles, _run(model, reader, tiles, batch_size, device, noise), strict=False
                ):
                    writer.write(
                        tile.target(model.card.scale),
                        sr[(slice(None), *tile.crop(model.card.scale))],
                    )
                bar.update(len(tiles))
        writer.close()
    except BaseException:  # an interrupted run, too, leaves no half-written file
        writer.abort()
        raise


def _batches(tiles: Iterable[Tile], size: int) -> Iterator[list[Tile]]:
    tiles = iter(tiles)
    while batch := list(islice(tiles, size)):
        yield batch


def _run(
    model: SuperResolver,
    reader: Reader,
    tiles: list[Tile],
    batch_size: int,
    device: str | torch.device,
    noise: Tensor | None,
) -> NDArray[np.float32]:
    """SR tiles ``(len(tiles), C, ...)``, NaN where LR holds no data; no bit depends on a tile's company."""
    images = torch.stack([torch.from_numpy(reader.read(tile.read)) for tile in tiles])
    hidden = images.isnan().any(dim=1, keepdim=True)
    lr = torch.where(hidden, _fill(model, images.ndim), images)
    lr, noise = lr.to(device), None if noise is None else noise.to(device)
    # A CPU shares a batch out among threads, within an image too, and rounds differently at the borders of shares.
    size = 1 if lr.device.type == "cpu" else batch_size
    sr = torch.cat([_together(model, part, size, noise) for part in torch.split(lr, size)])
    sr = sr.float().cpu()
    for axis, factor in enumerate(model.card.scale, start=2):
        hidden = hidden.repeat_interleave(factor, dim=axis)
    sr.masked_fill_(hidden, torch.nan)
    result: NDArray[np.float32] = sr.numpy()
    return result


def _together(model: SuperResolver, lr: Tensor, size: int, noise: Tensor | None) -> Tensor:
    """SR of a batch that is filled with its last tile to a given size: another size could change the last bit."""
    filled = torch.cat([lr, lr[-1:].expand(size - len(lr), *lr.shape[1:])])
    sr: Tensor = model(filled, None if noise is None else noise.expand(size, -1))
    return sr[: len(lr)]


def _fill(model: SuperResolver, ndim: int) -> Tensor:
    """What stands in for missing pixels: the middle of each channel's training range, wherever the tile lies."""
    centres = torch.tensor([(low + high) / 2 for low, high in model.card.training_range])
    return centres.view(1, -1, *[1] * (ndim - 2))


def plan_tiles(
    model: SuperResolver,
    reader: Reader,
    *,
    tile: int | Sequence[int] | str = "auto",
    overlap: int | Sequence[int] | str = "auto",
) -> TilePlan:
    """Settle the tiles of a scene; `tile` and `overlap` are in LR pixels.

    ``overlap="auto"`` is the receptive field's radius, with which tiling changes nothing, if that is at most a
    quarter of the tile; else the smallest overlap that changes a sample of the scene by no more than `TOLERANCE`.
    """
    dims = model.card.spatial_dims
    _check_input(model, reader)
    sides = _pixels("tile", tile, dims, least=1) or per_axis(TILE[dims], dims)
    margins = _pixels("overlap", overlap, dims, least=0)
    cut = [
        axis
        for axis, (size, side) in enumerate(zip(reader.shape, sides, strict=True))
        if size > side
    ]
    if not cut:
        margins = (0,) * dims
    elif margins is None:
        margins = _automatic_overlap(model, reader, sides, cut)
    multiple_of = per_axis(getattr(model.generator, "multiple_of", 1), dims)
    return TilePlan(shape=reader.shape, tile=sides, overlap=margins, multiple_of=multiple_of)


def _check_input(model: SuperResolver, reader: Reader) -> None:
    got, wanted = (
        (len(reader.channels), len(reader.shape)),
        (model.generator.in_channels, model.card.spatial_dims),
    )
    if got != wanted:
        raise Mistake(
            f"the input has {got[0]} channels and {got[1]} spatial axes; the model takes {wanted[0]} and {wanted[1]}."
        )


def _check_settings(model: SuperResolver, noise: Tensor | None, batch_size: int) -> None:
    if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size < 1:
        raise Mistake(f"batch_size is {batch_size!r}; give a number of tiles >= 1.")
    channels = getattr(model.generator, "noise_channels", None)
    if noise is not None and noise.shape != (1, channels):
        wanted = (
            "no noise" if channels is None else f"(1, {channels}), as its draw_noise(seed) gives"
        )
        raise Mistake(f"noise has the shape {tuple(noise.shape)}; this model takes {wanted}.")


def _pixels(
    name: str, value: int | Sequence[int] | str, dims: int, *, least: int
) -> tuple[int, ...] | None:
    """Spell out a setting with one number of LR pixels for each axis; None is "auto"."""
    if value == "auto":
        return None
    axes: tuple[Any, ...] = tuple(value) if isinstance(value, Sequence) else (value,) * dims
    whole = all(
        isinstance(entry, int) and not isinstance(entry, bool) and entry >= least for entry in axes
    )
    if len(axes) != dims or not whole:
        raise Mistake(
            f"{name} is {value!r}; give 'auto', one number of LR pixels >= {least}, or one for each of {dims} axes."
        )
    return axes


def _automatic_overlap(
    model: SuperResolver, reader: Reader, tile: tuple[int, ...], cut: Sequence[int]
) -> tuple[int, ...]:
    """Settle the overlap where tiles cut the axes `cut`; the others lie in one tile whole."""
    radius = receptive_field(model.generator)
    exact = tuple(reach or 0 for reach in radius)
    if all(radius[axis] is not None and exact[axis] <= tile[axis] // 4 for axis in cut):
        log.info("overlap %s LR pixels: the receptive field's radius, so no seam can show", exact)
        return exact
    # half a tile is quick to measure; around small tiles the sample must show what they do not see
    sample = _middle(model, reader, tuple(max(side // 2, 32) for side in tile))
    tolerance = TOLERANCE * max(high - low for low, high in model.card.training_range)
    widest = min(min(tile[axis] // 3, sample.shape[2 + axis] // 2) for axis in cut)
    candidates = [margin for margin in (4, 8, 16, 32, 64, 128) if margin < widest] or [
        max(widest, 1)
    ]
    for margin in candidates:
        error = tiling_error(model, margin, sample, axes=cut)
        if error <= tolerance:
            break
    log.info(
        "overlap %d LR pixels: the receptive field %s is too large for these tiles; on a sample of the scene tiling "
        "changes %.3g, %s the tolerance of %.3g%s",
        margin, radius, error, "within" if error <= tolerance else "above", tolerance,
        "" if error <= tolerance else ", and so does every smaller overlap: use larger tiles (tile=)",
    )  # fmt: skip
    return (margin,) * len(tile)


def _middle(model: SuperResolver, reader: Reader, size: tuple[int, ...]) -> Tensor:
    """A sample ``(1, C, ...)`` from the middle of the scene, of at most `size`."""
    window = []
    for length, side in zip(reader.shape, size, strict=True):
        start = max((length - side) // 2, 0)
        window.append(slice(start, min(start + side, length)))
    image = torch.from_numpy(reader.read(tuple(window)))[None]
    return torch.where(image.isnan(), _fill(model, image.ndim), image)


def tiling_error(
    model: SuperResolver, overlap: int, sample: Tensor, *, axes: Sequence[int] | None = None
) -> float:
    """The largest change, in physical units, that a seam with `overlap` LR pixels makes on `sample` ``(B, C, *S)``.

    The sample is cut in the middle of each of the spatial `axes` (all, if not given) in turn; the half that keeps
    `overlap` pixels beyond the cut is compared with the whole.
    """
    whole = model(sample)
    worst = 0.0
    for number, factor in enumerate(model.card.scale):
        axis = number + 2
        middle = sample.shape[axis] // 2
        if middle == 0 or (axes is not None and number not in axes):
            continue
        half = model(sample.narrow(axis, 0, min(middle + overlap, sample.shape[axis])))
        core = slice(0, middle * factor)
        difference = _take(half, axis, core) - _take(whole, axis, core)
        worst = max(worst, float(difference.abs().max()))
    return worst


def _take(image: Tensor, axis: int, span: slice) -> Tensor:
    return image.narrow(axis, span.start, span.stop - span.start)


def chosen_device(name: str) -> torch.device:
    """The device called `name`; ``auto`` is the GPU if there is one."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.zeros(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        raise Mistake(
            f"device={name} cannot be used here: {str(error).splitlines()[0]}; try device=auto."
        ) from error
