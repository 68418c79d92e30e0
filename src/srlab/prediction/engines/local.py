"""One process, block after block."""

from __future__ import annotations

from math import prod

from srlab.io import Reader, Writer
from srlab.prediction.blocks import Predict, block, block_windows
from srlab.prediction.tiles import TileGrid
from srlab.progress import progress as shown_progress


def run(
    predict: Predict,
    reader: Reader,
    writer: Writer,
    tiles: TileGrid,
    *,
    batch_size: int = 1,
    tiles_per_block: int | None = None,
    progress: bool = False,
) -> None:
    """Compute and write a scene; whatever fails, nothing is left under the output's name.

    A block has `tiles_per_block` tiles in a row, by default those of one batch. Their number
    changes memory alone, and no byte of the output.
    """
    per_block = tiles_per_block or batch_size
    windows = block_windows(tiles, chunks=writer.chunks, tiles_per_block=per_block)
    try:
        writer.prepare()
        pixels = prod(tiles.target_shape)
        with shown_progress(pixels, unit="px", title="predicting", shown=progress) as done:
            for window in windows:
                writer.write(window, block(predict, reader, tiles, window, batch_size=batch_size))
                done.advance(prod(span.stop - span.start for span in window))
        writer.finish()
    except BaseException:  # an interrupted run, too, leaves no half-written file
        writer.discard()
        raise
