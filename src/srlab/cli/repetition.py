"""Lines on the console that would say the same again."""

from __future__ import annotations

import logging


class SaidOnce(logging.Filter):
    """Lets a line of information through once, though each of many images would say the same.

    Warnings always pass.
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
