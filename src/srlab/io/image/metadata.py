"""EXIF data, profile and density, put into pictures that GDAL has encoded without them."""

from __future__ import annotations

import errno
import os
import struct
import zlib
from dataclasses import dataclass
from shutil import copyfileobj
from typing import BinaryIO

_MOST_IN_SEGMENT = 2**16 - 3
"""Bytes of a segment of a JPEG."""


@dataclass(frozen=True)
class PictureNotes:
    """What stands beside the pixels of a picture of `shape`."""

    shape: tuple[int, ...]
    exif: bytes = b""
    profile: bytes = b""
    density: tuple[float, ...] | None = None
    """Pixels a metre of paper, ``(y, x)``."""

    transparent: bool = False


def note_in_png(source: BinaryIO, target: BinaryIO, notes: PictureNotes) -> None:
    """Copy a PNG, with density (pHYs) and EXIF data (eXIf) after its header (PNG 3, 11.3)."""
    target.write(source.read(33))  # the signature and the first chunk, IHDR
    if notes.density is not None:
        rows, columns = map(round, notes.density)
        target.write(_chunk(b"pHYs", struct.pack(">IIB", columns, rows, 1)))
    if notes.exif:
        target.write(_chunk(b"eXIf", notes.exif))
    copyfileobj(source, target)


def note_in_jpeg(source: BinaryIO, target: BinaryIO, notes: PictureNotes) -> None:
    """Copy a JPEG, with density in its first segment and EXIF data in its second (JFIF 1.02)."""
    target.write(source.read(2))
    marker, size = struct.unpack(">HH", source.read(4))
    content = source.read(size - 2)
    if marker == 0xFFE0 and notes.density is not None:
        rows, columns = (min(round(each * 0.0254), 2**16 - 1) for each in notes.density)
        content = content[:7] + struct.pack(">BHH", 1, columns, rows) + content[12:]
    target.write(struct.pack(">HH", marker, size) + content)
    exif = b"Exif\0\0" + notes.exif
    if notes.exif and len(exif) <= _MOST_IN_SEGMENT:
        target.write(struct.pack(">HH", 0xFFE1, len(exif) + 2) + exif)
    copyfileobj(source, target)


def note_in_webp(source: BinaryIO, target: BinaryIO, notes: PictureNotes) -> None:
    """Copy a WebP of one chunk into an extended one, with profile and EXIF data (RFC 9649, 2.7)."""
    start = source.read(12)
    _check_size(source, struct.unpack("<I", start[4:8])[0] + 8)
    pixels = struct.unpack("<I", start[4:8])[0] - 4
    height, width = notes.shape
    flags = 0x20 * bool(notes.profile) | 0x10 * notes.transparent | 0x08 * bool(notes.exif)
    sizes = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    head = _riff(b"VP8X", bytes([flags, 0, 0, 0]) + sizes)
    if notes.profile:
        head += _riff(b"ICCP", notes.profile)
    tail = _riff(b"EXIF", notes.exif) if notes.exif else b""
    size = 4 + len(head) + pixels + len(tail)
    target.write(b"RIFF" + struct.pack("<I", size) + b"WEBP" + head)
    copyfileobj(source, target)
    target.write(tail)


def note_in_bmp(source: BinaryIO, target: BinaryIO, notes: PictureNotes) -> None:
    """Copy a BMP, with density in its header, which holds nothing else."""
    head = source.read(54)
    _check_size(source, struct.unpack("<I", head[2:6])[0])
    if notes.density is not None:
        rows, columns = map(round, notes.density)
        head = head[:38] + struct.pack("<2i", columns, rows) + head[46:]
    target.write(head)
    copyfileobj(source, target)


def _check_size(source: BinaryIO, size: int) -> None:
    """Raise an `OSError` unless a file has the size that its header says."""
    if os.fstat(source.fileno()).st_size < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _chunk(kind: bytes, content: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + check


def _riff(kind: bytes, content: bytes) -> bytes:
    return kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)
