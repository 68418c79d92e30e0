"""A limit on the number of open files, for training on more files than a process may open."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from srlab.axes import Window
from srlab.io import Reader


class FewOpen:
    """Keeps at most `limit` files open, those read last; the others open again when read."""

    def __init__(self, limit: int = 32) -> None:
        self._limit = limit
        self._open: list[Reader] = []

    def read(self, reader: Reader, window: Window) -> NDArray[np.float32]:
        """Read ``(C, *window)`` from `reader`, and close the least recently read of too many."""
        self._open = [*(other for other in self._open if other is not reader), reader]
        if len(self._open) > self._limit:
            self._open.pop(0).close()
        return reader.read(window)


class OneOfMany:
    """A reader that a `FewOpen` closes when other files are read, and that then opens again."""

    def __init__(self, reader: Reader, few: FewOpen) -> None:
        self._reader = reader
        self._few = few
        self.description = reader.description

    def __str__(self) -> str:
        return str(self._reader)

    def read(self, window: Window) -> NDArray[np.float32]:
        """Read ``(C, *window)`` in physical units, NaN where the file holds no data."""
        return self._few.read(self._reader, window)

    def close(self) -> None:
        """Release the file."""
        self._reader.close()
