"""Compressed files, read at any place: what was inflated last is kept."""

from __future__ import annotations

import io
import mmap
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

from indexed_gzip import IndexedGzipFile

PART = 2**20
"""Bytes that are inflated at a time."""

KEPT = 128
"""The most parts that a process keeps, of all its files together."""


class Inflated(io.BufferedIOBase):
    """The content of a gzip file, by an index of its places that is built as it is read.

    Windows of a volume that lie side by side come from the same planes, and to inflate these takes
    longer than all the rest. So the last `KEPT` parts stay in memory.

    `source` is the file's path, or the open file. It is for one process, and for one thread at a
    time.
    """

    def __init__(self, source: Path | IO[bytes] | io.RawIOBase) -> None:
        given = {"filename" if isinstance(source, Path) else "fileobj": source}
        self._file: Any = IndexedGzipFile(**given, buffer_size=PART)
        self._place = 0

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place, which is counted from the beginning or from here."""
        if whence == io.SEEK_CUR:
            offset += self._place
        self._place = offset
        return offset

    def tell(self) -> int:
        """Return the place."""
        return self._place

    def read(self, size: int | None = -1) -> bytes:
        """Read on, at most up to the end; the `size` must be given."""
        if size is None or size < 0:
            raise io.UnsupportedOperation("an inflated file is read by parts")
        start, stop = self._place, self._place + size
        numbers = range(start // PART, -(-stop // PART))
        pieces = []
        for number in numbers:
            origin = number * PART
            pieces.append(_part(self, number)[max(start - origin, 0) : stop - origin])
        content = b"".join(pieces)
        self._place += len(content)
        return content

    def part(self, number: int) -> memoryview:
        """Inflate one of the parts into which the content is divided."""
        # Memory apart, which is given back at once: between tensors it would leave gaps.
        room = mmap.mmap(-1, PART, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self._file.seek(number * PART)
        length = self._file.readinto(room)
        return memoryview(room)[:length]

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()


@lru_cache(maxsize=KEPT)
def _part(file: Inflated, number: int) -> memoryview:
    return file.part(number)
