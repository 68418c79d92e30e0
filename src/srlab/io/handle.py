"""Open files of which every process needs its own."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Generic, TypeVar

File = TypeVar("File")


class ProcessHandle(Generic[File]):
    """An open file that each process opens for itself, when it first needs the file.

    A forked process inherits its parent's open files together with their positions. If both
    processes read through one of them, each moves the position of the other.

    `open_file` opens the file. It must not refer to the reader that owns the handle, since the
    cycle would keep the file open after the reader is dropped. `close_file` closes the file;
    without it, the file is closed when nothing refers to it any longer.
    """

    def __init__(
        self, open_file: Callable[[], File], close_file: Callable[[File], None] | None = None
    ) -> None:
        self._open_file = open_file
        self._close_file = close_file
        self._file: File | None = None
        self._process = 0

    def file(self) -> File:
        """Return the open file of this process; the first call opens it."""
        if self._file is None or self._process != os.getpid():
            self._file = self._open_file()
            self._process = os.getpid()
        return self._file

    def close(self) -> None:
        """Close the file if this process opened it; the next call of `file` opens it anew."""
        file, self._file = self._file, None
        opened_here = self._process == os.getpid()
        if file is not None and opened_here and self._close_file is not None:
            self._close_file(file)
