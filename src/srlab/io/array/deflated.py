"""Compressed arrays of an ``.npz``, of which windows are read."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import ZipInfo

from nibabel.fileslice import fileslice
from numpy.typing import NDArray

from srlab.axes import Window
from srlab.io.array.stored import Layout
from srlab.io.seekable_gzip import SeekableGzip


@dataclass(frozen=True)
class Member:
    """A file in a zip archive."""

    path: Path
    """The archive."""

    info: ZipInfo
    start: int
    """Where the compressed bytes of the member begin in the archive."""


class DeflatedArray:
    """A compressed array in a zip archive, as a `StoredArray`.

    The archive is opened at the first read and stays open, so each process needs an object of its
    own.
    """

    def __init__(self, member: Member, layout: Layout) -> None:
        self.shape, self.dtype = layout.shape, layout.dtype
        self._layout, self._member = layout, member
        self._opened: SeekableGzip | None = None

    def read(self, slices: Window) -> NDArray[Any]:
        """Read a part; the bytes before it are decompressed as well, but only once."""
        if self._opened is None:
            self._opened = SeekableGzip(_AsGzip(self._member))
        order = "F" if self._layout.fortran else "C"
        part: NDArray[Any] = fileslice(
            self._opened, slices, self.shape, self.dtype, self._layout.length, order
        )
        return part


class _AsGzip(io.RawIOBase):
    """A compressed member as if it were a gzip file (RFC 1952).

    Zip and gzip hold the same deflate stream. So the bytes of the member are given between a header
    and a trailer that are made here.
    """

    def __init__(self, member: Member) -> None:
        self._header = b"\x1f\x8b\x08" + bytes(6) + b"\xff"  # deflate, no time, no name, no system
        self._trailer = struct.pack("<II", member.info.CRC, member.info.file_size % 2**32)
        self._file = member.path.open("rb")
        self._start, self._length = member.start, member.info.compress_size
        self._size = len(self._header) + self._length + len(self._trailer)
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = origin + offset
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer from one of the three parts; the next call goes on with the next."""
        in_member = self._position - len(self._header)
        if in_member < 0:
            content = self._header[self._position :]
        elif in_member < self._length:
            self._file.seek(self._start + in_member)
            content = self._file.read(min(len(buffer), self._length - in_member))
        else:
            content = self._trailer[in_member - self._length :]
        content = content[: len(buffer)]
        buffer[: len(content)] = content
        self._position += len(content)
        return len(content)

    def close(self) -> None:
        self._file.close()
        super().close()
