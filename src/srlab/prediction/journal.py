"""The list of finished blocks of an output: the same command goes on from there."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from srlab.axes import Window, window_shape
from srlab.files import partial_folder, remove_if_empty
from srlab.io import Writer
from srlab.mistakes import FailedWrite, Mistake

Settings = Mapping[str, Any]
"""Values that JSON can hold, by their names."""


@dataclass(frozen=True)
class Done:
    """A block that was written."""

    window: Window

    clipped: tuple[int, ...]
    """Values of each channel that were clipped to the range of the file's type."""

    empty: int
    """Pixels without data in any channel."""

    @property
    def pixels(self) -> int:
        """Pixels of the block."""
        return prod(window_shape(self.window))


def _is_whole(line: bytes) -> bool:
    """Whether a line was written to its end: a full disk or a crash may have cut it short."""
    try:
        json.loads(line)
    except ValueError:
        return False
    return line.endswith(b"\n")


def written(writer: Writer, window: Window, pixels: NDArray[np.float32]) -> Done:
    """Write a block ``(C, *window)``, and return its counts."""
    before = np.array(writer.clipping.counts)
    writer.write(window, pixels)
    clipped = np.array(writer.clipping.counts) - before
    return Done(window, tuple(clipped.tolist()), _empty(pixels))


def _empty(pixels: NDArray[np.float32]) -> int:
    """Return how many pixels have no data in any channel; most blocks have none at all."""
    if not np.isnan(pixels.min()):
        return 0
    return int(np.count_nonzero(np.isnan(pixels).all(axis=0)))


def _done(line: Mapping[str, Any]) -> Done:
    window = tuple(slice(*span) for span in line["window"])
    return Done(window, tuple(line["clipped"]), line["empty"])


class Journal:
    """The file that lists the blocks of an unfinished `output`, a line for each.

    Its first line says what was `asked`: the model, the input, and all settings. It goes on with
    what was settled for the whole output, such as the tiles. A line counts once it is whole, since
    a process may end while it writes one.
    """

    def __init__(self, output: Path, asked: Settings) -> None:
        self.output = output
        self.path = partial_folder(output) / "journal"
        self.settled: Settings = {}
        self.done: list[Done] = []
        self._asked: Settings = json.loads(json.dumps(asked))

    def read(self, *, anew: bool = False) -> bool:
        """Read `settled` and `done` of an earlier process; return whether there was one.

        Raises a `Mistake` if its request was another one. With `anew` it does not count instead.
        """
        lines = self._lines()
        if not lines:
            return False
        head, *blocks = lines
        changes = self._changes(head["asked"])
        if changes and not anew:
            raise Mistake(
                f"{self.path.parent} holds an unfinished output that was asked for otherwise: "
                f"{changes}. Give that command again to go on with it, another name, or "
                "overwrite=true to begin anew."
            )
        if changes:
            return False
        self.settled = head["settled"]
        # A process that was stopped may have noted a block twice. It counts once.
        self.done = list({str(block["window"]): _done(block) for block in blocks}.values())
        return True

    def begin(self) -> None:
        """Begin anew with what is `settled`."""
        self.done = []
        self.path.parent.mkdir(exist_ok=True)
        self._write("wb", [{"asked": self._asked, "settled": self.settled}])

    def add(self, blocks: Sequence[Done]) -> None:
        """Add blocks that are on the disk."""
        lines = []
        for done in blocks:
            window = [[span.start, span.stop] for span in done.window]
            lines.append({"window": window, "clipped": done.clipped, "empty": done.empty})
        self._write("ab", lines)
        self.done += blocks

    def remove(self) -> None:
        """Remove the file, and the folder if nothing else is in it."""
        self.path.unlink(missing_ok=True)
        remove_if_empty(self.path.parent)

    def __str__(self) -> str:
        """Return what is kept, and how to go on, in words."""
        pixels = sum(done.pixels for done in self.done)
        return (
            f"{pixels / 1e6:.3g} Mpx of the output are kept in {self.path.parent}: the same "
            "command goes on from there"
        )

    def _lines(self) -> list[Any]:
        """Return the lines that are whole, and cut off what follows them."""
        if not self.path.is_file():
            return []
        lines = self.path.read_bytes().splitlines(keepends=True)
        whole = list(takewhile(_is_whole, lines))
        if len(whole) < len(lines):
            os.truncate(self.path, len(b"".join(whole)))
        return [json.loads(line) for line in whole]

    def _write(self, mode: str, lines: Sequence[object]) -> None:
        text = "".join(f"{json.dumps(line)}\n" for line in lines)
        try:
            with self.path.open(mode) as file:
                file.write(text.encode())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise FailedWrite(f"{self.output} cannot be written: {error.strerror}.") from error

    def _changes(self, asked: Settings) -> str:
        changes = [
            f"{name} was {asked.get(name)!r} and is {self._asked.get(name)!r}"
            for name in {**asked, **self._asked}
            if asked.get(name) != self._asked.get(name)
        ]
        return ", ".join(changes)
