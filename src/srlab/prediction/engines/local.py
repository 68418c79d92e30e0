"""One process: blocks are read, computed and written side by side, each in its turn."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager

import numpy as np
import torch
from numpy.typing import NDArray

from srlab.axes import Window
from srlab.io import Reader, Writer
from srlab.models.super_resolver import SuperResolver
from srlab.prediction.blocks import Predict, Seen, computed, memory_of, seen
from srlab.prediction.engines.making import Making, making
from srlab.prediction.job import Job
from srlab.prediction.journal import Done, Journal, written
from srlab.prediction.outcome import Outcome
from srlab.prediction.threads import computing_threads
from srlab.prediction.tiles import TileGrid

Blocks = Iterator[tuple[Window, NDArray[np.float32]]]


class Local:
    """The engine of one process."""

    def threads(self) -> int:
        """Return the number of all cores, or what this process has of them."""
        return torch.get_num_threads()

    def __call__(
        self,
        models: Sequence[SuperResolver],
        job: Job,
        *,
        journal: Journal | None = None,
        progress: bool = False,
    ) -> Outcome:
        """Make an output; see `run`."""
        reader, predict = job.opened(models)
        with computing_threads(job.threads):
            return run(
                predict,
                reader,
                job.writer,
                job.tiles,
                batch_size=job.batch,
                journal=journal,
                progress=progress,
            )


def run(
    predict: Predict,
    reader: Reader,
    writer: Writer,
    tiles: TileGrid,
    *,
    batch_size: int = 1,
    tiles_per_block: int | None = None,
    journal: Journal | None = None,
    progress: bool = False,
) -> Outcome:
    """Compute and write a scene; whatever fails, nothing stands under the output's name.

    With a `journal` finished blocks are kept then, and another run goes on from there. Without one
    they are removed. A block has `tiles_per_block` tiles in a row, by default those of one batch.
    Their number changes memory alone, and no byte of the output.
    """
    per_block = tiles_per_block or batch_size
    with making(
        writer, tiles, tiles_per_block=per_block, journal=journal, progress=progress
    ) as output:
        blocks = streamed(predict, reader, tiles, output.windows, batch_size=batch_size)
        # Whatever happens here, the thread that writes has ended before it is dealt with.
        with closing(_taken(blocks, writer, output)) as taken:
            for done in taken:
                output.count(done)
    return output.outcome


def streamed(
    predict: Predict,
    reader: Reader,
    tiles: TileGrid,
    windows: Sequence[Window],
    *,
    batch_size: int = 1,
) -> Blocks:
    """Yield blocks; what the next one sees is read while one is computed."""
    memory = memory_of(tiles)
    for window, tiles_seen in _read_ahead(reader, tiles, windows):
        pixels = computed(predict, tiles_seen, tiles, window, batch_size=batch_size, memory=memory)
        yield window, pixels


def _read_ahead(
    reader: Reader, tiles: TileGrid, windows: Sequence[Window]
) -> Iterator[tuple[Window, list[Seen]]]:
    with _thread() as thread:
        following: Future[list[Seen]] | None = None
        for number, window in enumerate(windows):
            current = following or thread.submit(seen, reader, tiles, window)
            tiles_seen = current.result()
            if number + 1 < len(windows):
                following = thread.submit(seen, reader, tiles, windows[number + 1])
            yield window, tiles_seen


def _taken(blocks: Blocks, writer: Writer, output: Making) -> Generator[Done, None, None]:
    """Write blocks, each while the next one is computed."""

    def write(window: Window, pixels: NDArray[np.float32]) -> Done:
        done = written(writer, window, pixels)
        output.keep(done)
        return done

    with _thread() as thread:
        previous: Future[Done] | None = None
        for window, pixels in blocks:
            if previous is not None:
                yield previous.result()
            previous = thread.submit(write, window, pixels)
        if previous is not None:
            yield previous.result()


@contextmanager
def _thread() -> Iterator[ThreadPoolExecutor]:
    """Give a thread; what it has begun is waited for in the end, and nothing else is begun."""
    executor = ThreadPoolExecutor(1)
    try:
        # A thread that a signal interrupts as it starts would not be waited for.
        executor.submit(int).result()
        yield executor
    finally:
        executor.shutdown(cancel_futures=True)
