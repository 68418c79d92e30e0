"""Readers in a process of their own, for libraries that damaged bytes can crash."""

from __future__ import annotations

import atexit
import os
import pickle
import resource
import signal
import subprocess
import sys
import traceback
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from srlab.axes import Window
from srlab.files import PathLike, existing_file, is_remote
from srlab.io.description import Description
from srlab.io.protocols import Reader
from srlab.mistakes import Mistake

_PROGRAM = (
    "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer); "
    "from srlab.io.isolated import serve; serve()"
)
_KEPT = 32
"""Readers that the other process keeps; any other is made anew when it is asked for."""


class IsolatedReader:
    """A reader that works in another process, where a crash of its library is a `Mistake` here.

    A library in C may end its process over damaged bytes, and no error tells of it. The reader is
    ``reader(path, bands=bands)``, of a class or function that pickles. All isolated readers of a
    process share one other process, which starts with the first of them.

    Raises what the reader raises, and a `Mistake` if the other process crashes over the file.
    """

    def __init__(
        self,
        reader: Callable[..., Reader],
        path: PathLike,
        *,
        bands: Sequence[int | str] | None = None,
    ) -> None:
        self.path = path if is_remote(path) else existing_file(path)
        self._rebuilt = reader, str(self.path), bands
        # A name of GDAL's may hold the name of a file in the folder in which this process works.
        folder = os.getcwd() if is_remote(path) else None
        self._opening = pickle.dumps((folder, partial(reader, str(self.path), bands=bands)))
        self.description: Description = self._asked("open")

    def __str__(self) -> str:
        return str(self.path)

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
        # The first process may have been damaged by another file before: a fresh one decides.
        for _ in range(2):
            try:
                return _other.ask(task, self._opening, *arguments)
            except _Ended as end:
                code = end.code
        raise Mistake(
            f"{self.path} cannot be read: the process that reads it ended with {_named(code)}. The "
            "file is damaged, or takes more memory than there is: fetch it again."
        )


class _Ended(Exception):
    """Says that the other process ended before it answered."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class _Other:
    """The process that reads for this one; it ends when this one does."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._running: subprocess.Popen[bytes] | None = None

    def ask(self, *request: object) -> Any:
        """Return the answer to a request, or raise the error that it is; see `_Readers`."""
        with self._lock:
            try:
                if self._running is None:
                    self._running = _started()
                succeeded, answer = _exchanged(self._running, request)
            except (EOFError, BrokenPipeError, pickle.UnpicklingError) as problem:
                raise _Ended(self._ended()) from problem
            except BaseException:  # after Ctrl-C, the answer would be taken for that to the next
                self._ended()
                raise
        if not succeeded:
            raise answer
        return answer

    def forget(self, opening: bytes) -> None:
        """Close a reader, if there is one."""
        if self._running is not None:
            self.ask("close", opening)

    def end(self) -> None:
        """End the other process."""
        with self._lock:
            self._ended()

    def _ended(self) -> int:
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
    global _other
    _other = _Other()


os.register_at_fork(after_in_child=_begin_anew)


def _named(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    return signal.Signals(-code).name


def serve() -> None:
    """Answer the requests on standard input until it ends: the other process's whole program."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # this process ends with the one that asks
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answers = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)  # libraries may print, and there is nobody to read it
    os.dup2(nowhere, 2)
    answer: object = True
    readers = _Readers()
    while True:
        pickle.dump(answer, answers, protocol=5)
        answers.flush()
        try:
            request = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        answer = readers.answer(*request)


class _Readers:
    """The readers of the other process, by the pickles that make them."""

    def __init__(self) -> None:
        self._opened: OrderedDict[bytes, Reader] = OrderedDict()

    def answer(self, task: str, opening: bytes, *arguments: Any) -> tuple[bool, object]:
        """Return whether a task succeeded, and its result or error."""
        tasks: dict[str, Callable[..., object]] = {
            "open": self._open,
            "read": self._read,
            "close": self._close,
        }
        try:
            return True, tasks[task](opening, *arguments)
        except Exception as error:
            if not isinstance(error, Mistake):
                error.add_note(traceback.format_exc())
            return False, error

    def _open(self, opening: bytes) -> Description:
        self._close(opening)  # the file may be another one by now
        return self._reader(opening).description

    def _read(self, opening: bytes, window: Window) -> NDArray[np.float32]:
        return self._reader(opening).read(window)

    def _close(self, opening: bytes) -> None:
        if opening in self._opened:
            self._opened.pop(opening).close()

    def _reader(self, opening: bytes) -> Reader:
        if opening not in self._opened:
            folder, reader = pickle.loads(opening)
            if folder is not None:
                os.chdir(folder)
            self._opened[opening] = reader()
        self._opened.move_to_end(opening)
        if len(self._opened) > _KEPT:
            self._opened.popitem(last=False)[1].close()
        return self._opened[opening]
