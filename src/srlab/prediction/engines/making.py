"""The making of an output: its writer, journal and counts, whoever computes the blocks."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from math import prod
from threading import Lock

from srlab.axes import Window
from srlab.io import Writer
from srlab.mistakes import FailedWrite
from srlab.prediction.blocks import block_windows
from srlab.prediction.grid.tiles import TileGrid
from srlab.prediction.journal import Done, Journal
from srlab.prediction.outcome import Outcome
from srlab.progress import Progress
from srlab.progress import progress as shown_progress

SECONDS = 5.0
"""The least time from one line of the journal to the next, since the disk is waited for."""


@contextmanager
def making(
    writer: Writer,
    tiles: TileGrid,
    *,
    tiles_per_block: int = 1,
    journal: Journal | None = None,
    progress: bool = False,
) -> Iterator[Making]:
    """Begin an output, or go on with it, and complete it in the end.

    Whatever fails, nothing stands under the output's name. With a `journal` finished blocks are
    kept then, and without one they are removed.
    """
    output = Making(writer, journal, Outcome(prod(tiles.target_shape)))
    try:
        earlier = output.begin()
        windows = block_windows(tiles, chunks=writer.chunks, tiles_per_block=tiles_per_block)
        output.windows = _without(windows, [done.window for done in earlier])
        total, done = output.outcome.pixels, output.outcome.done
        with shown_progress(
            total, unit="px", title="predicting", done=done, shown=progress
        ) as output.shown:
            yield output
        # The last blocks are not noted before this. A note would wait for the disk, and without it
        # a crash costs no more than the blocks of `SECONDS`.
        writer.finish()
    except BaseException:  # an interrupted run, too, leaves no half-written file
        output.give_up()
        raise
    output.forget()
    output.outcome.ended = time.monotonic()


class Making:
    """An output in the making. A block is noted in the journal when the disk has it."""

    windows: list[Window]
    """The blocks that are yet to be done."""

    shown: Progress

    def __init__(self, writer: Writer, journal: Journal | None, outcome: Outcome) -> None:
        self._writer, self._journal = writer, journal
        self.outcome = outcome
        self._pending: list[Done] = []
        self._noting = Lock()
        self._last = time.monotonic()

    def begin(self) -> Sequence[Done]:
        """Begin the output, or go on with it; return what is done of it."""
        earlier = [] if self._journal is None else list(self._journal.done)
        if earlier and self._writer.resume():
            for done in earlier:
                self._writer.clipping.add(done.clipped, pixels=done.pixels)
                self.outcome.add(done, earlier=True)
            return earlier
        self._writer.prepare()
        if self._journal is not None:
            self._journal.begin()
        return ()

    def count(self, done: Done) -> None:
        """Count a block that was written."""
        self.outcome.add(done)
        self.shown.advance(done.pixels)

    def keep(self, done: Done) -> None:
        """Remember to note a block that was written; to be called by one thread at a time."""
        self._pending.append(done)
        if time.monotonic() - self._last >= SECONDS:
            self.note()

    def take_over(self, done: Done) -> None:
        """Count and note a block that another process wrote."""
        self._writer.clipping.add(done.clipped, pixels=done.pixels)
        self.keep(done)
        self.count(done)

    def give_up(self) -> None:
        """Keep what the journal has, if it has anything; otherwise remove all."""
        with suppress(FailedWrite, OSError):  # the disk may be full
            self.note()
        if self._journal is None or not self._journal.done:
            self._writer.discard()
            self.forget()

    def forget(self) -> None:
        """Remove the journal."""
        if self._journal is not None:
            self._journal.remove()

    def note(self) -> None:
        """Note the blocks that were written, once the disk has them."""
        with self._noting:
            if self._journal is not None and self._pending:
                self._writer.sync()
                self._journal.add(self._pending)
            self._pending.clear()
            self._last = time.monotonic()


def _without(windows: Iterator[Window], others: Sequence[Window]) -> list[Window]:
    left_out = set(map(str, others))
    return [window for window in windows if str(window) not in left_out]
