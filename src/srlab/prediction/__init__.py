"""Prediction: a scene of any size through a model, tile by tile and block by block.

`plan_tiles` settles the grid of tiles, a `Predictor` runs the model, `block` computes one rectangle
of output, and an engine decides about their order.
"""

from __future__ import annotations

import torch
from torch import Tensor

from srlab.io import Reader, Writer
from srlab.models.super_resolver import SuperResolver
from srlab.prediction.across import BothWays, thick_axis
from srlab.prediction.blocks import Predict, block, block_windows
from srlab.prediction.engines import run
from srlab.prediction.leading import AlongLeading
from srlab.prediction.planning import check_input, plan_tiles, tiling_error
from srlab.prediction.predictor import Predictor
from srlab.prediction.tiles import Tile, TileGrid
from srlab.prediction.transparency import BesideAlpha, Transparent, alpha_of

__all__ = [
    "Predict",
    "Predictor",
    "Tile",
    "TileGrid",
    "alpha_of",
    "block",
    "block_windows",
    "plan_tiles",
    "run",
    "super_resolve",
    "tiling_error",
]


def super_resolve(
    model: SuperResolver,
    reader: Reader,
    writer: Writer,
    *,
    plan: TileGrid,
    alpha: Reader | None = None,
    noise: Tensor | None = None,
    scene: Tensor | None = None,
    batch_size: int = 1,
    device: str | torch.device = "cpu",
    tiles_per_block: int | None = None,
    progress: bool = False,
) -> None:
    """Super-resolve a scene in this process; the arguments are those of `Predictor` and `run`.

    `alpha` reads the transparency of the scene. It comes back, enlarged, as the last channel.
    """
    try:
        leading = check_input(model, reader)
        predict: Predict = Predictor(
            model, device=device, batch_size=batch_size, noise=noise, scene=scene
        )
    except BaseException:
        writer.discard()
        raise
    if model.card.across:
        predict = BothWays(predict, thick_axis(model.card, reader.description))
    if leading:
        predict = AlongLeading(predict, leading)
    if alpha is not None:
        reader, predict = Transparent(reader, alpha), BesideAlpha(predict, model.card.scale)
    run(
        predict,
        reader,
        writer,
        plan,
        batch_size=batch_size,
        tiles_per_block=tiles_per_block,
        progress=progress,
    )
