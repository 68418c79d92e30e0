"""A filter of log lines that repeat an earlier one."""

from __future__ import annotations

import logging


class SaidOnce(logging.Filter):
    """Passes each line of level INFO only once, although many images may cause it.

    Warnings and errors always pass.
    """

    def __init__(self) -> None:
        super().__init__()
        self._said: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is new."""
        line = record.getMessage()
        if record.levelno > logging.INFO:
            return True
        new = line not in self._said
        self._said.add(line)
        return new
