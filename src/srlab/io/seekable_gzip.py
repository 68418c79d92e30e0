"""Random access to gzip files, with a cache of the parts that were decompressed last."""

from __future__ import annotations

import io
import mmap
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

from indexed_gzip import IndexedGzipFile

PART = 2**20
"""Bytes that are decompressed at a time."""

CACHED_PARTS = 128
"""The most decompressed parts that a process keeps, of all its files together."""


class SeekableGzip(io.BufferedIOBase):
    """The decompressed content of a gzip file, readable from any position.

    `source` is the path or the open file. An index of positions is built while the file is read.

    Neighbouring windows of a volume come from the same planes, and decompressing these takes most
    of the time. So the last `CACHED_PARTS` parts stay in memory.

    For one process only, and one thread at a time.
    """

    def __init__(self, source: Path | IO[bytes] | io.RawIOBase) -> None:
        argument = "filename" if isinstance(source, Path) else "fileobj"
        self._file: Any = IndexedGzipFile(**{argument: source}, buffer_size=PART)
        self._position = 0

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a position, counted from the start or from the current one."""
        if whence == io.SEEK_CUR:
            offset += self._position
        self._position = offset
        return offset

    def tell(self) -> int:
        """Return the current position."""
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        """Read up to `size` bytes, which must be given; fewer at the end of the content."""
        if size is None or size < 0:
            raise io.UnsupportedOperation("a gzip file is read by parts: give a size")
        start, stop = self._position, self._position + size
        first_part, last_part = start // PART, (stop - 1) // PART
        pieces = []
        for number in range(first_part, last_part + 1):
            origin = number * PART
            pieces.append(_cached_part(self, number)[max(start - origin, 0) : stop - origin])
        content = b"".join(pieces)
        self._position += len(content)
        return content

    def part(self, number: int) -> memoryview:
        """Decompress one of the parts of `PART` bytes into which the content is divided."""
        # A mapping of its own goes back to the system at once. Freed between tensors on the heap,
        # the memory would remain as a gap.
        memory = mmap.mmap(-1, PART, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self._file.seek(number * PART)
        length = self._file.readinto(memory)
        return memoryview(memory)[:length]

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()


@lru_cache(maxsize=CACHED_PARTS)
def _cached_part(file: SeekableGzip, number: int) -> memoryview:
    return file.part(number)
