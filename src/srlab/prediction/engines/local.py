"""One process: blocks are read, computed and written side by side, each in its turn."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from threading import Barrier

import numpy as np
import torch
from numpy.typing import NDArray

from srlab.axes import Window
from srlab.io import Reader, Writer
from srlab.models.super_resolver import SuperResolver
from srlab.prediction.blocks import Predict, Seen, computed, memory_of, seen
from srlab.prediction.engines.devices import opened
from srlab.prediction.engines.making import Making, making
from srlab.prediction.grid.tiles import TileGrid
from srlab.prediction.job import Job
from srlab.prediction.journal import Done, Journal, written
from srlab.prediction.network.device import Devices
from srlab.prediction.network.threads import computing_threads
from srlab.prediction.outcome import Outcome

Pixels = NDArray[np.float32]

Blocks = Generator[tuple[Window, Pixels], None, None]


class Local:
    """The engine of one process."""

    def threads(self) -> int:
        """Return the number of all cores, or what this process has of them."""
        return torch.get_num_threads()

    def devices(self, asked: Devices) -> Devices:
        """Return as many as are asked for."""
        return asked

    def __call__(
        self,
        models: Sequence[SuperResolver],
        job: Job,
        *,
        journal: Journal | None = None,
        progress: bool = False,
    ) -> Outcome:
        """Make an output; see `run`."""
        reader, predict, at_a_time = opened(models, job)
        with computing_threads(job.threads):
            return run(
                predict,
                reader,
                job.writer,
                job.tiles,
                batch_size=job.batch,
                at_a_time=at_a_time,
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
    at_a_time: int = 1,
    tiles_per_block: int | None = None,
    journal: Journal | None = None,
    progress: bool = False,
) -> Outcome:
    """Compute and write a scene; whatever fails, nothing stands under the output's name.

    With a `journal` finished blocks are kept then, and another run goes on from there. Without one
    they are removed. A block has `tiles_per_block` tiles in a row, by default those of one batch.
    That number affects the memory only, and no byte of the output. The same is true of the number
    of blocks that are computed `at_a_time`.
    """
    per_block = tiles_per_block or batch_size
    with making(
        writer, tiles, tiles_per_block=per_block, journal=journal, progress=progress
    ) as output:
        blocks = streamed(
            predict, reader, tiles, output.windows, batch_size=batch_size, at_a_time=at_a_time
        )
        # Whatever happens here, all threads have ended before it is dealt with.
        with closing(blocks), closing(_taken(blocks, writer, output)) as taken:
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
    at_a_time: int = 1,
) -> Blocks:
    """Yield blocks in their order; what the next one sees is read while others are computed.

    Several `at_a_time` are computed each in a thread of its own, and one more may be done or wait.
    A single one is computed in the thread of the caller, which a signal ends between two layers.
    """
    compute = partial(
        computed,
        predict,
        tiles=tiles,
        batch_size=batch_size,
        memory=memory_of(tiles, at_a_time=at_a_time),
    )
    # A generator that is not closed ends its thread when it is collected, at any time and place.
    with closing(_read_ahead(reader, tiles, windows)) as read:
        if at_a_time == 1:
            for window, tiles_seen in read:
                yield window, compute(tiles_seen, window=window)
            return
        begun: deque[tuple[Window, Future[Pixels]]] = deque()
        with _threads(at_a_time) as threads:
            for window, tiles_seen in read:
                if len(begun) > at_a_time:
                    yield _first(begun)
                begun.append((window, threads.submit(compute, tiles_seen, window=window)))
            while begun:
                yield _first(begun)


def _first(begun: deque[tuple[Window, Future[Pixels]]]) -> tuple[Window, Pixels]:
    window, pixels = begun.popleft()
    return window, pixels.result()


def _read_ahead(
    reader: Reader, tiles: TileGrid, windows: Sequence[Window]
) -> Generator[tuple[Window, list[Seen]], None, None]:
    """Yield what the tiles of each window see, and read that of the next window meanwhile."""
    with _threads(1) as thread:
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

    with _threads(1) as thread:
        previous: Future[Done] | None = None
        for window, pixels in blocks:
            if previous is not None:
                yield previous.result()
            previous = thread.submit(write, window, pixels)
        if previous is not None:
            yield previous.result()


@contextmanager
def _threads(count: int) -> Iterator[ThreadPoolExecutor]:
    """Give threads; in the end, calls that run are waited for, and no further one begins."""
    computing = torch.get_num_threads()
    executor = ThreadPoolExecutor(count, initializer=partial(torch.set_num_threads, computing))
    all_there = Barrier(count)
    try:
        # A thread that a signal interrupts as it starts would not be waited for.
        for started in [executor.submit(all_there.wait) for _ in range(count)]:
            started.result()
        yield executor
    finally:
        all_there.abort()
        executor.shutdown(cancel_futures=True)
