"""What to do where a tile does not fit into the memory of its device."""

from __future__ import annotations

import torch

from srlab.prediction.grid.tiles import TileGrid

OUT_OF_MEMORY = (torch.OutOfMemoryError, MemoryError)
"""The errors of a device without enough memory."""


def halved_tile(tiles: TileGrid) -> list[int]:
    """Return half the length of a tile along each axis that the network sees, in LR pixels."""
    first = tiles.leading
    sides = zip(tiles.tile[first:], tiles.shape[first:], strict=True)
    return [max(min(side, size) // 2, 1) for side, size in sides]
