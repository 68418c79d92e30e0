"""The arrays in an ``.npz``: a zip archive of ``.npy`` files, compressed or not."""

from __future__ import annotations

import io
import json
import shutil
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from nibabel.fileslice import fileslice
from numpy.typing import NDArray

from srlab.axes import Window
from srlab.files import PathLike, existing_file, replaced
from srlab.io.array.reader import ArrayFileReader
from srlab.io.array.staged import StagedArray, by_name
from srlab.io.array.stored import (
    Layout,
    Mapped,
    StoredArray,
    check_size,
    is_number,
    read_layout,
)
from srlab.io.array.writer import ArrayFileWriter
from srlab.io.damage import DENSEST, damage_told
from srlab.io.description import Description
from srlab.io.protocols import Provenance
from srlab.io.seekable_gzip import SeekableGzip
from srlab.mistakes import Mistake

MEMBER = ".npy"
"""What the names of arrays end in; NumPy leaves it out."""

LOCAL_HEADER = 30
"""Bytes before the name of a member, of which the last four are the lengths of what follows."""

EPOCH = (1980, 1, 1, 0, 0, 0)
"""The time of every member, so that the bytes depend on the values alone; zip knows none before."""

COMMENT = 2**16 - 1
"""The most bytes of an archive's comment."""

CHUNK = 8 * 2**20
"""Bytes that are copied at a time."""


@dataclass(frozen=True)
class Member:
    """A file in an archive, and where its bytes begin."""

    path: Path
    info: ZipInfo
    start: int


class Compressed:
    """An array that is compressed, and read by an index of places that is built on the way.

    It opens the file at its first read and keeps it open, so each process needs its own.
    """

    def __init__(self, member: Member, layout: Layout) -> None:
        self.shape, self.dtype = layout.shape, layout.dtype
        self._layout, self._member = layout, member
        self._opened: SeekableGzip | None = None

    def read(self, place: Window) -> NDArray[Any]:
        """Read a part; what lies before it is decompressed once."""
        if self._opened is None:
            self._opened = SeekableGzip(_AsGzip(self._member))
        order = "F" if self._layout.fortran else "C"
        part: NDArray[Any] = fileslice(
            self._opened, place, self.shape, self.dtype, self._layout.length, order
        )
        return part


class _AsGzip(io.RawIOBase):
    """The bytes of a compressed member between the head and the tail of a gzip file (RFC 1952)."""

    def __init__(self, member: Member) -> None:
        head = b"\x1f\x8b\x08" + bytes(6) + b"\xff"  # deflate, no time, no name, no system
        tail = struct.pack("<II", member.info.CRC, member.info.file_size % 2**32)
        self._file = member.path.open("rb")
        self._start = member.start
        self._parts = (head, member.info.compress_size, tail)
        self._size = len(head) + member.info.compress_size + len(tail)
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        self._place = origin + offset
        return self._place

    def readinto(self, buffer: Any) -> int:
        head, length, tail = self._parts
        place = self._place - len(head)
        if place < 0:
            content = head[self._place :]
        elif place < length:
            self._file.seek(self._start + place)
            content = self._file.read(min(len(buffer), length - place))
        else:
            content = tail[place - length :]
        content = content[: len(buffer)]
        buffer[: len(content)] = content
        self._place += len(content)
        return len(content)

    def close(self) -> None:
        self._file.close()
        super().close()


def open_npz(path: PathLike, *, bands: Sequence[int | str] | None = None) -> ArrayFileReader:
    """Open arrays of an ``.npz``; `bands` are their names."""
    return ArrayFileReader(existing_file(path), arrays_in, bands=bands)


def arrays_in(path: Path) -> dict[str, StoredArray]:
    """Return the arrays of numbers in an archive by their names; what else is there is no image.

    Raises a `Mistake` if one claims more than the archive can hold, or is compressed in a way that
    NumPy does not use.
    """
    found: dict[str, StoredArray] = {}
    with damage_told(f"{path} is no .npz that can be read", BadZipFile), ZipFile(path) as archive:
        for info in archive.infolist():
            if info.filename.endswith(MEMBER):
                name = info.filename.removesuffix(MEMBER)
                array = _array(archive, info, path)
                if is_number(array.dtype):
                    found[name] = array
    return found


def _array(archive: ZipFile, info: ZipInfo, path: Path) -> StoredArray:
    _check_compression(path, info)
    place = f"{info.filename} in {path}"
    with archive.open(info) as opened:
        layout = read_layout(opened, place)
    compressed = info.compress_type == ZIP_DEFLATED
    densest = DENSEST if compressed else 1
    check_size(place, layout, min(info.file_size, info.compress_size * densest))
    with path.open("rb") as file:
        member = Member(path, info, _start(file, info))
    if compressed:
        return Compressed(member, layout)
    return Mapped(path, layout, member.start)


def _check_compression(path: Path, info: ZipInfo) -> None:
    encrypted = info.flag_bits & 1
    if info.compress_type not in (ZIP_STORED, ZIP_DEFLATED) or encrypted:
        raise Mistake(
            f"{path} is encrypted, or compressed by another method than deflate: save it by "
            "numpy.savez or numpy.savez_compressed."
        )


def _start(file: IO[bytes], info: ZipInfo) -> int:
    """Return where the bytes of a member begin: behind a header that repeats its name."""
    file.seek(info.header_offset + LOCAL_HEADER - 4)
    lengths = struct.unpack("<HH", file.read(4))
    return info.header_offset + LOCAL_HEADER + int(sum(lengths))


def create_npz(path: Path, description: Description, *, provenance: Provenance) -> ArrayFileWriter:
    """Return the writer of an uncompressed ``.npz``; the provenance is the archive's comment."""
    return ArrayFileWriter(
        path, description, provenance=provenance, arrange=by_name, encode=_archived
    )


def _archived(path: Path, arrays: Sequence[StagedArray], tags: Mapping[str, str]) -> None:
    with (
        replaced(path, suffix=".npz") as unfinished,
        ZipFile(unfinished, "w", ZIP_STORED) as archive,
    ):
        for array in arrays:
            info = ZipInfo(f"{array.name}{MEMBER}", EPOCH)
            info.file_size = array.staging.size  # by which zip chooses the length of addresses
            with array.staging.path.open("rb") as source, archive.open(info, "w") as target:
                shutil.copyfileobj(source, target, CHUNK)
        archive.comment = json.dumps(tags, sort_keys=True).encode()[:COMMENT]
