"""What to do where a tile does not fit into the memory of its device."""

from __future__ import annotations

from dataclasses import replace

import torch

from srlab.mistakes import Mistake
from srlab.prediction.grid.tiles import TileGrid

OUT_OF_MEMORY = (torch.OutOfMemoryError, MemoryError)
"""The errors of a device without enough memory."""


def halved_tile(tiles: TileGrid, error: BaseException) -> list[int]:
    """Return half the length of a tile along each axis that the network sees, in LR pixels.

    Raises a `Mistake` from `error` where nothing would be left of a tile but its overlap.
    """
    first = tiles.leading
    sides = zip(tiles.tile[first:], tiles.shape[first:], strict=True)
    halves = [max(min(side, size) // 2, 1) for side, size in sides]
    try:
        replace(tiles, tile=(*tiles.tile[:first], *halves))
    except Mistake:
        raise Mistake(
            f"out of memory with tiles of {list(tiles.tile[first:])}, and smaller ones hold "
            "nothing but their overlap: free memory, or choose another device."
        ) from error
    return halves
