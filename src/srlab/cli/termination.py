"""The clean end of a command that receives SIGTERM or SIGHUP."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

STOPS = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def cleaned_up_if_stopped() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the command like an exception, so that it cleans up its files.

    The exit code is 128 plus the signal's number, as in shells: 143 and 129. A signal that is
    ignored, for example because of ``nohup``, stays ignored. Ctrl-C is an exception in Python
    already (`one_line_errors`).
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
