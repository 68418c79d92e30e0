"""Readers that work in another process, for C libraries that damaged files can crash.

``isolated_server`` is the program of the other process. Requests and answers are pickles.
"""

from __future__ import annotations

import atexit
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from srlab.axes import Window
from srlab.files import PathLike, existing_file, file_and_image, is_remote, with_image
from srlab.io.damage import COPY_AGAIN
from srlab.io.description import Description
from srlab.io.protocols import Reader
from srlab.mistakes import Mistake

_PROGRAM = (
    "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer); "
    "from srlab.io.isolated_server import serve; serve()"
)
"""What the other process runs; the first request is this process's ``sys.path``."""


class IsolatedReader:
    """A reader that works in another process, so that a crash there is only a `Mistake` here.

    Damaged bytes can make a C library end its process, which no ``except`` can prevent. The other
    process makes the reader as ``reader(path, bands=bands)``, so `reader` must pickle. One other
    process serves all isolated readers of this process, and starts with the first of them.

    Raises what the reader raises, and a `Mistake` if the other process crashes over the file.
    """

    def __init__(
        self,
        reader: Callable[..., Reader],
        path: PathLike,
        *,
        bands: Sequence[int | str] | None = None,
    ) -> None:
        name = str(path)
        if not is_remote(path):
            file, image = file_and_image(path)
            name = with_image(existing_file(file), image)
        self._rebuilt = reader, name, bands
        # A name of GDAL's may contain a relative path, so the working folder is sent along.
        folder = os.getcwd() if is_remote(path) else None
        self._opening = pickle.dumps((folder, partial(reader, name, bands=bands)))
        self._name = name
        self.description: Description
        self.description, self._name = self._asked("open")

    def __str__(self) -> str:
        return self._name

    def __reduce__(self) -> tuple[Any, ...]:
        reader, path, bands = self._rebuilt
        return partial(IsolatedReader, bands=bands), (reader, path)

    def read(self, window: Window) -> NDArray[np.float32]:
        """Read ``(C, *window)`` in physical units, NaN where there is no data."""
        values: NDArray[np.float32] = self._asked("read", window)
        return values

    def close(self) -> None:
        """Release the file."""
        _other.forget(self._opening)

    def _asked(self, task: str, *arguments: object) -> Any:
        # The crash may be due to memory that an earlier file corrupted: ask a fresh process, too.
        for _ in range(2):
            try:
                return _other.ask(task, self._opening, *arguments)
            except _Ended as end:
                code = end.code
        raise Mistake(
            f"{self} cannot be read: the process that reads it ended with {_named(code)}. It is "
            f"damaged, or takes more memory than there is. {COPY_AGAIN}"
        )


class _Ended(Exception):
    """The other process ended before it answered, with this exit code (negative: a signal)."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class _Other:
    """The process that reads for this one; it ends when this one does."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._running: subprocess.Popen[bytes] | None = None

    def ask(self, *request: object) -> Any:
        """Return the answer to a request, or raise the error that it holds; see `Readers`."""
        with self._lock:
            try:
                if self._running is None:
                    self._running = _started()
                succeeded, answer = _exchanged(self._running, request)
            except (EOFError, BrokenPipeError, pickle.UnpicklingError) as problem:
                raise _Ended(self._ended()) from problem
            except BaseException:
                # After Ctrl-C, this answer would be taken for the answer to the next request.
                self._ended()
                raise
        if not succeeded:
            raise answer
        return answer

    def forget(self, opening: bytes) -> None:
        """Close a reader of the other process, if that process runs."""
        if self._running is not None:
            self.ask("close", opening)

    def end(self) -> None:
        """End the other process."""
        with self._lock:
            self._ended()

    def _ended(self) -> int:
        """End the other process, if it runs, and return its exit code."""
        running, self._running = self._running, None
        if running is None:
            return 0
        running.kill()
        for pipe in (running.stdin, running.stdout):
            if pipe is not None:
                pipe.close()
        return running.wait()


def _started() -> subprocess.Popen[bytes]:
    command = [sys.executable, "-P", "-c", _PROGRAM]
    running = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        _exchanged(running, sys.path)
    except EOFError as problem:
        raise RuntimeError(f"{' '.join(command)} did not start") from problem
    return running


def _exchanged(running: subprocess.Popen[bytes], request: object) -> Any:
    assert running.stdin
    assert running.stdout
    running.stdin.write(pickle.dumps(request))
    running.stdin.flush()
    return pickle.load(running.stdout)


_other = _Other()
atexit.register(lambda: _other.end())


def _begin_anew() -> None:
    """Leave the other process to the parent after a fork, and start one of its own if needed."""
    global _other
    _other = _Other()


os.register_at_fork(after_in_child=_begin_anew)


def _named(code: int) -> str:
    """Return the name of the signal that ended a process, or its exit code."""
    if code >= 0:
        return f"exit code {code}"
    return signal.Signals(-code).name
