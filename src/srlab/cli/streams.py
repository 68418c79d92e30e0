"""Output streams that survive the end of their reader, as in ``srlab … | head``."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO


class _Patient:
    """A text stream that discards its text after the reader of its pipe has ended."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write text, and return its length."""
        with _readerless(self._stream):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Write what is buffered."""
        with _readerless(self._stream):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def patient_output() -> Iterator[None]:
    """Let a command continue, and end as usual, when the reader of its output is gone.

    A training of several days must not end because its terminal was closed.
    """
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (_Patient(stream) for stream in before)
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        sys.stdout, sys.stderr = before


@contextmanager
def _readerless(stream: TextIO) -> Iterator[None]:
    """Redirect a stream to the null device, including its buffer, if its pipe is closed."""
    try:
        yield
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
