"""MemoryCache: a cache of decoded files in the memory of each process."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import get_worker_info

from srlab.axes import Window
from srlab.data.caches.encoding import Encoding, InexactEncoding, encoded, encodings
from srlab.data.caches.protocol import format_of
from srlab.data.caches.telling import Once
from srlab.io import Reader
from srlab.mistakes import Mistake


class MemoryCache:
    """Decodes each file once in each process that reads it, and keeps it in memory.

    The loader's workers share `gigabytes` (10⁹ bytes) evenly, and the main process may use as much
    again. Files that do not fit are read without a cache; one warning says so. With `slow_only`,
    formats that are fast to read are not cached (`srlab.io.format.Format.slow`).

    Raises a `Mistake` if `gigabytes` is not above 0.
    """

    def __init__(self, *, gigabytes: float, slow_only: bool) -> None:
        if not gigabytes > 0:
            raise Mistake(f"cache.gigabytes is {gigabytes}; give a number above 0, or cache=none.")
        self._bytes = gigabytes * 1e9
        self._slow_only = slow_only
        self._process = os.getpid()
        self._inherited = self._used = 0
        self._warning = Once(logging.WARNING)

    def keep(self, reader: Reader, bands: Sequence[int | str]) -> Reader:
        """Return a reader that keeps the decoded file, or `reader` if it is not to be cached."""
        form = format_of(reader)
        if form is None or (self._slow_only and not form.slow):
            return reader
        return KeptInMemory(reader, self)

    def decoded(self, reader: Reader) -> tuple[Encoding, NDArray[Any]] | None:
        """Decode a whole file, ``(C, *S)``; None if there is no room or the file is damaged.

        The error of a damaged file is raised when the file itself is read.
        """
        description = reader.description
        shape = (len(description.channels), *description.shape)
        for encoding in encodings(description):
            size = int(np.prod(shape)) * encoding.dtype.itemsize
            if not self._fits(size):
                self._warning.tell(
                    f"{reader} and others do not fit into the {self._bytes / 1e9:g} GB of memory "
                    "for decoded files, and are decoded at each read: raise cache.gigabytes"
                )
                return None
            array = np.empty(shape, encoding.dtype)
            try:
                for window, values in encoded(reader, encoding, (1,) * len(description.shape)):
                    array[(slice(None), *window)] = values
            except InexactEncoding:
                continue
            except Mistake:
                return None
            self._used += size
            return encoding, array
        return None

    def _fits(self, size: int) -> bool:
        if self._process != os.getpid():  # a forked worker shares the memory it started with
            self._process, self._inherited = os.getpid(), self._used
        worker = get_worker_info()
        sharing = 1 if worker is None else worker.num_workers
        limit = self._inherited + (self._bytes - self._inherited) / sharing
        return self._used + size <= limit


class KeptInMemory:
    """A reader of a decoded file in memory, or of the file itself if that does not fit."""

    def __init__(self, reader: Reader, cache: MemoryCache) -> None:
        self._reader, self._cache = reader, cache
        self.description = reader.description
        self._decoded: tuple[Encoding, NDArray[Any]] | None = None
        self._tried = False

    def __str__(self) -> str:
        return str(self._reader)

    def __reduce__(self) -> tuple[Any, ...]:
        return KeptInMemory, (self._reader, self._cache)

    def read(self, window: Window) -> NDArray[np.float32]:
        """Read ``(C, *window)`` in physical units, NaN where the file holds no data."""
        if not self._tried:
            self._tried = True
            self._decoded = self._cache.decoded(self._reader)
        if self._decoded is None:
            return self._reader.read(window)
        encoding, array = self._decoded
        return encoding.decode(array[(slice(None), *window)])

    def close(self) -> None:
        """Release the file; the decoded values stay in memory."""
        self._reader.close()
