"""The end of a command that is told to stop."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

STOPS = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def cleaned_up_if_stopped() -> Iterator[None]:
    """Have SIGTERM and SIGHUP end the command as an error does, so that it leaves no half a file.

    The exit code is that of shells, 128 and the signal's number: 143 and 129. A signal that is
    ignored, as by ``nohup``, stays so. Ctrl-C is an error in Python already (`one_line_errors`).
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in STOPS}
    for number, handler in before.items():
        if handler is signal.SIG_DFL:
            signal.signal(number, _stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(number: int, _: object) -> None:
    raise SystemExit(128 + number)
