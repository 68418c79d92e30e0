"""The progress of a long task: a bar on a terminal, otherwise a line at most once a minute."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Protocol, Self, TypeVar

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

T = TypeVar("T")

SECONDS = 60
"""The shortest time between two lines, in seconds."""


class Progress(Protocol):
    """Counts the finished units of a task; as a context manager it closes itself."""

    def advance(self, count: int = 1) -> None:
        """Add units that were finished since the last call."""

    def note(self, values: Mapping[str, str]) -> None:
        """Set values, such as scores, that are shown from now on."""

    def close(self) -> None:
        """End, with the final state on a line of its own."""

    def __enter__(self) -> Self:
        """Return itself."""

    def __exit__(self, *error: object) -> None:
        """Close."""


def progress(
    total: int, *, unit: str, title: str = "", done: int = 0, shown: bool = True
) -> Progress:
    """Start showing a task of `total` units, of which `done` are finished, on standard error."""
    if not shown:
        return _Silence()
    shape = _Bar if sys.stderr.isatty() else _Lines
    return shape(total, unit=unit, title=title, done=done)


def tracked(items: Sequence[T], *, unit: str, title: str, shown: bool = True) -> Iterator[T]:
    """Yield each of `items`, and show the number of finished ones."""
    with progress(len(items), unit=unit, title=title, shown=shown) as done:
        for item in items:
            yield item
            done.advance()


class _Silence:
    """Shows nothing."""

    def advance(self, count: int = 1) -> None:
        pass

    def note(self, values: Mapping[str, str]) -> None:
        pass

    def close(self) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class _Bar(_Silence):
    """A bar that is redrawn in place; log lines appear above it."""

    def __init__(self, total: int, *, unit: str, title: str, done: int) -> None:
        self._open = ExitStack()
        self._open.enter_context(logging_redirect_tqdm())
        self._bar = tqdm(
            total=total,
            initial=done,
            unit=unit,
            unit_scale=unit == "px",
            desc=title or None,
            dynamic_ncols=True,
        )

    def advance(self, count: int = 1) -> None:
        self._bar.update(count)

    def note(self, values: Mapping[str, str]) -> None:
        self._bar.set_postfix(values)

    def close(self) -> None:
        self._open.close()
        self._bar.close()


class _Lines(_Silence):
    """A line of text at most once in `SECONDS`, and one at the end, for log files."""

    def __init__(self, total: int, *, unit: str, title: str, done: int) -> None:
        self._total, self._unit, self._title = total, unit, title
        self._first = self._done = self._written = done
        self._values: dict[str, str] = {}
        self._started = self._last = time.monotonic()

    def advance(self, count: int = 1) -> None:
        self._done += count
        if time.monotonic() - self._last >= SECONDS:
            self._write()

    def note(self, values: Mapping[str, str]) -> None:
        self._values.update(values)

    def close(self) -> None:
        if self._done > self._written:
            self._write()

    def _write(self) -> None:
        self._last, self._written = time.monotonic(), self._done
        line = tqdm.format_meter(
            self._done,
            self._total,
            self._last - self._started,
            ncols=0,  # numbers alone
            prefix=self._title,
            unit=self._unit,
            unit_scale=self._unit == "px",
            postfix=", ".join(f"{name}={value}" for name, value in self._values.items()),
            initial=self._first,
        )
        sys.stderr.write(f"{line}\n")
