"""Counting of files that cannot be used; too many of them end a run."""

from __future__ import annotations

import logging

import numpy as np
from numpy.typing import NDArray

from srlab.axes import Window
from srlab.io import Reader
from srlab.mistakes import Mistake

log = logging.getLogger(__name__)

SHARE = 0.05
"""The default share of files that may be left out."""


class LeftOut:
    """Counts and names the files that are left out, of a `number` of files.

    At most a `share` of them may be left out. Of three files or more, one always may, unless
    `share` is 0.

    Raises a `Mistake` unless `share` is at least 0 and less than 1.
    """

    def __init__(self, number: int, *, share: float = SHARE, what: str = "files") -> None:
        if not 0 <= share < 1:
            raise Mistake(f"broken_share is {share}; give a share of the files from 0 to below 1.")
        self.number = number
        self.most = int(share * number)
        if share and number >= 3:
            self.most = max(1, self.most)
        self.names: dict[str, None] = {}
        self._what = what

    def add(self, name: str, reason: Mistake) -> None:
        """Leave one file out with a warning, or raise a `Mistake` if there are too many now."""
        if name in self.names:
            return
        self.names[name] = None
        count = len(self.names)
        if self.number == 1:
            raise reason
        if count > self.most:
            raise Mistake(
                f"{count} of {self.number} {self._what} cannot be used, and at most {self.most} "
                f"may be left out (data.broken_share); {name}: {reason}"
            ) from reason
        log.warning("%s is left out, %d of %d %s: %s", name, count, self.number, self._what, reason)


class Forgiving:
    """A reader that returns NaN for windows that cannot be read, and adds the file to `left_out`.

    The result depends on the file alone, so samples are the same in every process.
    """

    def __init__(self, reader: Reader, left_out: LeftOut) -> None:
        self._reader = reader
        self._left_out = left_out
        self.description = reader.description

    def __str__(self) -> str:
        return str(self._reader)

    def read(self, window: Window) -> NDArray[np.float32]:
        """Read ``(C, *window)`` in physical units, NaN where there is no data."""
        try:
            return self._reader.read(window)
        except Mistake as error:
            self._left_out.add(str(self), error)
            shape = [span.stop - span.start for span in window]
            return np.full((len(self.description.channels), *shape), np.nan, np.float32)

    def close(self) -> None:
        """Release the file."""
        self._reader.close()
