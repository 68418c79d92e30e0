"""One process: blocks are read, computed and written side by side, each in its turn."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from math import prod

import numpy as np
from numpy.typing import NDArray

from srlab.axes import Window
from srlab.io import Reader, Writer
from srlab.mistakes import FailedWrite
from srlab.models.super_resolver import SuperResolver
from srlab.prediction.blocks import Predict, Seen, block_windows, computed, memory_of, seen
from srlab.prediction.job import Job
from srlab.prediction.journal import Done, Journal, written
from srlab.prediction.outcome import Outcome
from srlab.prediction.tiles import TileGrid
from srlab.progress import progress as shown_progress

SECONDS = 1.0
"""The least time from one line of the journal to the next, since the disk is waited for."""


class Local:
    """The engine of one process."""

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
    they are removed. A block has `tiles_per_block` tiles in a row, by
    default those of one batch. Their number changes memory alone, and no byte of the output.
    """
    per_block = tiles_per_block or batch_size
    windows = list(block_windows(tiles, chunks=writer.chunks, tiles_per_block=per_block))
    output = _Output(writer, journal)
    outcome = Outcome(prod(tiles.target_shape))
    try:
        earlier = output.begin()
        for done in earlier:
            outcome.add(done, earlier=True)
        windows = _without(windows, [done.window for done in earlier])
        with shown_progress(
            outcome.pixels, unit="px", title="predicting", done=outcome.done, shown=progress
        ) as shown:
            blocks = _computed(predict, reader, tiles, windows, batch_size)
            for done in output.take(blocks):
                outcome.add(done)
                shown.advance(done.pixels)
        writer.finish()
    except BaseException:  # an interrupted run, too, leaves no half-written file
        output.give_up()
        raise
    output.forget()
    outcome.ended = time.monotonic()
    return outcome


def _computed(
    predict: Predict, reader: Reader, tiles: TileGrid, windows: Sequence[Window], batch_size: int
) -> Iterator[tuple[Window, NDArray[np.float32]]]:
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


def _without(windows: Sequence[Window], others: Sequence[Window]) -> list[Window]:
    left_out = set(map(str, others))
    return [window for window in windows if str(window) not in left_out]


class _Output:
    """The side of the writer. A block is noted in the journal when the disk has it."""

    def __init__(self, writer: Writer, journal: Journal | None) -> None:
        self._writer, self._journal = writer, journal
        self._pending: list[Done] = []
        self._noted = 0
        self._last = time.monotonic()

    def begin(self) -> Sequence[Done]:
        """Begin the output, or go on with it; return what is done of it."""
        earlier = () if self._journal is None else self._journal.done
        if earlier and self._writer.resume():
            for done in earlier:
                self._writer.clipping.add(done.clipped, pixels=done.pixels)
            self._noted = len(earlier)
            return earlier
        self._writer.prepare()
        if self._journal is not None:
            self._journal.begin()
        return ()

    def take(self, blocks: Iterator[tuple[Window, NDArray[np.float32]]]) -> Iterator[Done]:
        """Write blocks, each while the next one is computed."""
        with _thread() as thread:
            previous: Future[Done] | None = None
            for window, pixels in blocks:
                if previous is not None:
                    yield previous.result()
                previous = thread.submit(self._write, window, pixels)
            if previous is not None:
                yield previous.result()

    def give_up(self) -> None:
        """Keep what the journal has, if it has anything; otherwise remove all."""
        with suppress(FailedWrite, OSError):  # the disk may be full
            self._note()
        if not self._noted:
            self._writer.discard()
            self.forget()

    def forget(self) -> None:
        """Remove the journal."""
        if self._journal is not None:
            self._journal.remove()

    def _write(self, window: Window, pixels: NDArray[np.float32]) -> Done:
        done = written(self._writer, window, pixels)
        self._pending.append(done)
        if time.monotonic() - self._last >= SECONDS:
            self._note()
        return done

    def _note(self) -> None:
        if self._journal is not None and self._pending:
            self._writer.sync()
            self._journal.add(self._pending)
            self._noted += len(self._pending)
        self._pending.clear()
        self._last = time.monotonic()


@contextmanager
def _thread() -> Iterator[ThreadPoolExecutor]:
    """Give a thread; what it has begun is waited for in the end, and nothing else is begun."""
    executor = ThreadPoolExecutor(1)
    try:
        yield executor
    finally:
        executor.shutdown(cancel_futures=True)
