"""The program of the process in which isolated readers work; see `srlab.io.isolated`."""

from __future__ import annotations

import os
import pickle
import resource
import signal
import sys
import traceback
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from srlab.axes import Window
from srlab.io.description import Description
from srlab.io.protocols import Reader
from srlab.mistakes import Mistake

OPEN_READERS = 32
"""The most readers that stay open; others are made anew when they are asked for."""


def serve() -> None:
    """Answer the requests on standard input until it ends.

    Answers go to standard output. The first one tells that the process has started.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that asks
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash leaves no core file
    answers = os.fdopen(os.dup(1), "wb")
    # Texts that libraries print must not come between the answers.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    answer: object = True
    readers = Readers()
    while True:
        pickle.dump(answer, answers, protocol=5)
        answers.flush()
        try:
            request = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        answer = readers.answer(*request)


class Readers:
    """The open readers of this process.

    The key of a reader is a pickled pair: the working folder or None, and a function that makes
    the reader.
    """

    def __init__(self) -> None:
        self._opened: OrderedDict[bytes, Reader] = OrderedDict()

    def answer(self, task: str, opening: bytes, *arguments: Any) -> tuple[bool, object]:
        """Return (True, the result) of a task, or (False, the error)."""
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

    def _open(self, opening: bytes) -> tuple[Description, str]:
        self._close(opening)  # the file may have been replaced since
        reader = self._reader(opening)
        return reader.description, str(reader)

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
        if len(self._opened) > OPEN_READERS:
            self._opened.popitem(last=False)[1].close()
        return self._opened[opening]
