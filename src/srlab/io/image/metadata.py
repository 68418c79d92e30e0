"""EXIF data, colour profile and print density, added to pictures that GDAL has encoded.

GDAL cannot write them. So each function copies an encoded picture, and adds them on the way.
"""

from __future__ import annotations

import errno
import os
import struct
import zlib
from dataclasses import dataclass
from shutil import copyfileobj
from typing import BinaryIO

_MOST_IN_SEGMENT = 2**16 - 3
"""The most bytes in a segment of a JPEG, beside its marker and its length."""

_METRES_PER_INCH = 0.0254


@dataclass(frozen=True)
class EncodedMetadata:
    """The metadata of a picture as bytes for its file; empty ones are left out."""

    shape: tuple[int, ...]
    """Rows and columns of the picture."""

    exif: bytes = b""
    """EXIF data, as a TIFF structure."""

    profile: bytes = b""
    """The ICC profile; only WebP needs it, since GDAL writes those of other formats."""

    density: tuple[float, ...] | None = None
    """Pixels per metre of paper, ``(y, x)``."""

    transparent: bool = False
    """Whether the picture has an alpha channel."""


def add_to_png(source: BinaryIO, target: BinaryIO, metadata: EncodedMetadata) -> None:
    """Copy a PNG, with density (pHYs) and EXIF data (eXIf) after its header (PNG 3, 11.3)."""
    target.write(source.read(33))  # the signature and the first chunk, IHDR
    if metadata.density is not None:
        rows, columns = map(round, metadata.density)
        target.write(_chunk(b"pHYs", struct.pack(">IIB", columns, rows, 1)))
    if metadata.exif:
        target.write(_chunk(b"eXIf", metadata.exif))
    copyfileobj(source, target)


def add_to_jpeg(source: BinaryIO, target: BinaryIO, metadata: EncodedMetadata) -> None:
    """Copy a JPEG, with density in its first segment and EXIF data in its second (JFIF 1.02)."""
    target.write(source.read(2))
    marker, size = struct.unpack(">HH", source.read(4))
    content = source.read(size - 2)
    if marker == 0xFFE0 and metadata.density is not None:
        per_inch = [round(value * _METRES_PER_INCH) for value in metadata.density]
        rows, columns = (min(value, 2**16 - 1) for value in per_inch)
        content = content[:7] + struct.pack(">BHH", 1, columns, rows) + content[12:]
    target.write(struct.pack(">HH", marker, size) + content)
    exif = b"Exif\0\0" + metadata.exif
    if metadata.exif and len(exif) <= _MOST_IN_SEGMENT:
        target.write(struct.pack(">HH", 0xFFE1, len(exif) + 2) + exif)
    copyfileobj(source, target)


def add_to_webp(source: BinaryIO, target: BinaryIO, metadata: EncodedMetadata) -> None:
    """Copy a simple WebP into an extended one, with profile and EXIF data (RFC 9649, 2.7)."""
    riff_header = source.read(12)
    (riff_size,) = struct.unpack("<I", riff_header[4:8])
    _check_size(source, riff_size + 8)
    pixels = riff_size - 4  # bytes of the chunk of pixels
    height, width = metadata.shape
    flags = 0x20 * bool(metadata.profile) | 0x10 * metadata.transparent | 0x08 * bool(metadata.exif)
    sizes = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    head = _riff(b"VP8X", bytes([flags, 0, 0, 0]) + sizes)
    if metadata.profile:
        head += _riff(b"ICCP", metadata.profile)
    tail = _riff(b"EXIF", metadata.exif) if metadata.exif else b""
    size = 4 + len(head) + pixels + len(tail)
    target.write(b"RIFF" + struct.pack("<I", size) + b"WEBP" + head)
    copyfileobj(source, target)
    target.write(tail)


def add_to_bmp(source: BinaryIO, target: BinaryIO, metadata: EncodedMetadata) -> None:
    """Copy a BMP, with density in its header, which has room for nothing else."""
    head = source.read(54)
    _check_size(source, struct.unpack("<I", head[2:6])[0])
    if metadata.density is not None:
        rows, columns = map(round, metadata.density)
        head = head[:38] + struct.pack("<2i", columns, rows) + head[46:]
    target.write(head)
    copyfileobj(source, target)


def _check_size(source: BinaryIO, size: int) -> None:
    """Raise an `OSError` if a file is shorter than its header says: the disk was full."""
    if os.fstat(source.fileno()).st_size < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _chunk(kind: bytes, content: bytes) -> bytes:
    """Return a chunk of a PNG."""
    check = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + check


def _riff(kind: bytes, content: bytes) -> bytes:
    """Return a chunk of a WebP, padded to an even length."""
    return kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)
