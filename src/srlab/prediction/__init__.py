"""Prediction: a scene of any size through a model, tile by tile and block by block.

- `request` is what a user asks. `session` makes one output of it, and `many` a folder of them.
- `grid` has the tiles and what settles them. `network` makes SR tiles of LR tiles.
- `blocks` joins tiles to rectangles of output, and `engines` decide in which order, and where.
- `journal` keeps what is done, and `output` describes what is written.
- `verification` computes parts of an output anew, for whoever doubts it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from srlab.io import Reader, Writer
from srlab.models.super_resolver import SuperResolver
from srlab.prediction.blocks import Anywhere, Predict, block, block_windows
from srlab.prediction.engines import run
from srlab.prediction.grid.planning import plan_tiles
from srlab.prediction.grid.seams import tiling_error
from srlab.prediction.grid.tiles import Tile, TileGrid
from srlab.prediction.job import Job
from srlab.prediction.many import Pair, Row, pairs_of, super_resolve_files
from srlab.prediction.network.predictor import Predictor
from srlab.prediction.network.transparency import alpha_of
from srlab.prediction.opened import Opened
from srlab.prediction.request import Request
from srlab.prediction.session import super_resolve_file

__all__ = [
    "Anywhere",
    "Opened",
    "Pair",
    "Predict",
    "Predictor",
    "Request",
    "Row",
    "Tile",
    "TileGrid",
    "alpha_of",
    "block",
    "block_windows",
    "pairs_of",
    "plan_tiles",
    "run",
    "super_resolve",
    "super_resolve_file",
    "super_resolve_files",
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
    job = Job(
        reader=reader,
        writer=writer,
        tiles=plan,
        alpha=alpha,
        noises=(noise,),
        scene=scene,
        batch=batch_size,
        devices=(str(device),),
    )
    try:
        reader, predict = job.opened([model])
    except BaseException:
        writer.discard()
        raise
    run(
        predict,
        reader,
        writer,
        plan,
        batch_size=batch_size,
        tiles_per_block=tiles_per_block,
        progress=progress,
    )
