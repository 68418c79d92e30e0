"""Opening and creating an ``.npz``: a zip archive of ``.npy`` files, compressed or not."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from srlab.files import PathLike, existing_file, replaced
from srlab.io.array.deflated import DeflatedArray, Member
from srlab.io.array.reader import ArrayFileReader
from srlab.io.array.staged import StagedArray, by_name
from srlab.io.array.stored import (
    Mapped,
    StoredArray,
    check_size,
    is_number,
    read_layout,
)
from srlab.io.array.writer import ArrayFileWriter
from srlab.io.damage import CHECK_ENDING, DENSEST, damage_as_mistake
from srlab.io.description import Description
from srlab.io.protocols import Provenance
from srlab.mistakes import Mistake

MEMBER_SUFFIX = ".npy"
"""The suffix of members in the archive; NumPy leaves it out of the names of arrays."""

LOCAL_HEADER = 30
"""Bytes of a member's header before its name; the last four are the lengths of name and extra."""

EPOCH = (1980, 1, 1, 0, 0, 0)
"""The time noted for every member, so that the bytes depend on the values alone: zip's earliest."""

LONGEST_COMMENT = 2**16 - 1
"""The most bytes of an archive's comment."""

COPIED_AT_ONCE = 8 * 2**20
"""Bytes that are copied at a time."""


def open_npz(path: PathLike, *, bands: Sequence[int | str] | None = None) -> ArrayFileReader:
    """Open the arrays of an ``.npz``; see `ArrayFileReader` for `bands`."""
    return ArrayFileReader(existing_file(path), arrays_in, bands=bands)


def arrays_in(path: Path) -> dict[str, StoredArray]:
    """Return the arrays of numbers in an archive by their names; other members are passed over.

    Raises a `Mistake` if an array claims more bytes than the archive can hold, or is compressed in
    a way that NumPy does not use.
    """
    arrays: dict[str, StoredArray] = {}
    with (
        damage_as_mistake(f"{path} is no .npz that can be read", BadZipFile, advice=CHECK_ENDING),
        ZipFile(path) as archive,
    ):
        for info in archive.infolist():
            if info.filename.endswith(MEMBER_SUFFIX):
                name = info.filename.removesuffix(MEMBER_SUFFIX)
                array = _array(archive, info, path)
                if is_number(array.dtype):
                    arrays[name] = array
    return arrays


def _array(archive: ZipFile, info: ZipInfo, path: Path) -> StoredArray:
    _check_compression(path, info)
    member_name = f"{info.filename} in {path}"
    with archive.open(info) as opened:
        layout = read_layout(opened, member_name)
    compressed = info.compress_type == ZIP_DEFLATED
    largest_ratio = DENSEST if compressed else 1
    check_size(member_name, layout, min(info.file_size, info.compress_size * largest_ratio))
    with path.open("rb") as file:
        member = Member(path, info, _start(file, info))
    if compressed:
        return DeflatedArray(member, layout)
    return Mapped(path, layout, member.start)


def _check_compression(path: Path, info: ZipInfo) -> None:
    encrypted = info.flag_bits & 1
    if info.compress_type not in (ZIP_STORED, ZIP_DEFLATED) or encrypted:
        raise Mistake(
            f"{path} is encrypted, or compressed by another method than deflate: save it by "
            "numpy.savez or numpy.savez_compressed."
        )


def _start(file: IO[bytes], info: ZipInfo) -> int:
    """Return where the bytes of a member begin: behind its header, name and extra field."""
    file.seek(info.header_offset + LOCAL_HEADER - 4)
    lengths = struct.unpack("<HH", file.read(4))
    return info.header_offset + LOCAL_HEADER + int(sum(lengths))


def create_npz(path: Path, description: Description, *, provenance: Provenance) -> ArrayFileWriter:
    """Return a writer of an uncompressed ``.npz``; the provenance is the archive's comment."""
    return ArrayFileWriter(
        path, description, provenance=provenance, arrange=by_name, encode=_write_archive
    )


def _write_archive(path: Path, arrays: Sequence[StagedArray], tags: Mapping[str, str]) -> None:
    with (
        replaced(path, suffix=".npz") as unfinished,
        ZipFile(unfinished, "w", ZIP_STORED) as archive,
    ):
        for array in arrays:
            info = ZipInfo(f"{array.name}{MEMBER_SUFFIX}", EPOCH)
            info.file_size = array.staging.size  # zipfile writes wider sizes for large members
            with array.staging.path.open("rb") as source, archive.open(info, "w") as target:
                shutil.copyfileobj(source, target, COPIED_AT_ONCE)
        archive.comment = json.dumps(tags, sort_keys=True).encode()[:LONGEST_COMMENT]
