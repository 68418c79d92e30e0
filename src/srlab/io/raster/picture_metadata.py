"""Metadata of pictures that GDAL does not give: EXIF data, ICC profile, density, animation."""

from __future__ import annotations

import struct
import zlib
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from srlab.io.exif import Exif, parse, parse_bytes

_MOST = 2**24
"""The most bytes of a block of metadata that are read."""

_EXIF_IN_JPEG = b"Exif\0\0"


@dataclass(frozen=True)
class PictureMetadata:
    """The metadata of a picture, as its file has them."""

    exif: Exif
    profile: bytes = b""
    """The ICC profile; empty if there is none, or if GDAL reads it."""

    density: tuple[float, float] | None = None
    """Pixels per metre of paper, ``(y, x)``; None if the file does not tell."""

    frames: bool = False
    """Whether it is an animation."""

    @property
    def colour_profile(self) -> dict[str, str]:
        """The profile in base 64, under GDAL's key."""
        if not self.profile:
            return {}
        return {"SOURCE_ICC_PROFILE": b64encode(self.profile).decode()}


def read_picture_metadata(path: Path, driver: str) -> PictureMetadata:
    """Read the metadata of a picture that GDAL opens with `driver`; damaged ones are left out."""
    reading = {"PNG": _png, "JPEG": _jpeg, "WEBP": _webp, "BMP": _bmp, "GIF": _gif, "GTiff": _tiff}
    read = reading.get(driver)
    if read is None:
        return PictureMetadata(Exif())
    with path.open("rb") as file:
        try:
            return read(file)
        except (struct.error, zlib.error):  # beyond the end of a truncated file
            return PictureMetadata(Exif())


def _png(file: BinaryIO) -> PictureMetadata:
    exif, profile, density, frames = Exif(), b"", None, False
    for kind, size in _png_chunks(file):
        if kind == b"acTL":
            frames = _unpack(">I", file)[0] > 1
        elif kind == b"eXIf":
            exif = parse_bytes(file.read(min(size, _MOST)))
        elif kind == b"iCCP":
            _, _, packed = file.read(min(size, _MOST)).partition(b"\0")
            profile = zlib.decompressobj().decompress(packed[1:], _MOST)
        elif kind == b"pHYs":
            columns, rows, unit = _unpack(">IIB", file)
            if unit == 1 and rows and columns:
                density = (float(rows), float(columns))
    return PictureMetadata(exif, profile, density or exif.density, frames)


def _png_chunks(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Yield the kind and size of each chunk, with the file at the content of the chunk."""
    at = 8  # behind the signature
    while True:
        file.seek(at)
        head = file.read(8)
        if len(head) < 8 or head[4:] == b"IEND":
            return
        size, kind = struct.unpack(">I4s", head)
        yield kind, size
        at += size + 12  # length, kind and checksum are 4 bytes each


def _jpeg(file: BinaryIO) -> PictureMetadata:
    exif, density = Exif(), None
    file.seek(2)
    while True:
        marker, size = _unpack(">HH", file)
        if not 0xFFC0 <= marker <= 0xFFFE or marker == 0xFFDA or size < 2:
            return PictureMetadata(exif, density=density or exif.density)
        content = file.read(size - 2)
        if marker == 0xFFE1 and content.startswith(_EXIF_IN_JPEG):
            exif = parse_bytes(content[len(_EXIF_IN_JPEG) :])
        if marker == 0xFFE0 and content.startswith(b"JFIF\0"):
            unit, columns, rows = struct.unpack_from(">BHH", content, 7)
            metres_per_unit = {1: 0.0254, 2: 0.01}.get(unit)
            if metres_per_unit and rows and columns:
                density = (rows / metres_per_unit, columns / metres_per_unit)


def _webp(file: BinaryIO) -> PictureMetadata:
    exif, profile, frames = Exif(), b"", False
    at = 12  # behind the RIFF header
    while True:
        file.seek(at)
        head = file.read(8)
        if len(head) < 8:
            return PictureMetadata(exif, profile, exif.density, frames)
        kind, size = struct.unpack("<4sI", head)
        if kind == b"ANIM":
            frames = True
        elif kind == b"EXIF":
            exif = parse_bytes(file.read(min(size, _MOST)).removeprefix(_EXIF_IN_JPEG))
        elif kind == b"ICCP":
            profile = file.read(min(size, _MOST))
        at += 8 + size + size % 2  # chunks are padded to an even size


def _bmp(file: BinaryIO) -> PictureMetadata:
    file.seek(38)
    columns, rows = _unpack("<2i", file)
    density = (float(rows), float(columns)) if rows > 0 and columns > 0 else None
    return PictureMetadata(Exif(), density=density)


def _gif(file: BinaryIO) -> PictureMetadata:
    """Go through the blocks of a GIF (GIF89a) until a second image shows that it is animated."""
    file.seek(10)
    _skip_colour_table(file, _unpack("<B2x", file)[0])
    images = 0
    while images < 2:
        (kind,) = _unpack("B", file)
        if kind == _GIF_EXTENSION:
            file.seek(1, 1)
        elif kind == _GIF_IMAGE:
            images += 1
            _skip_colour_table(file, _unpack("<8xB", file)[0])
            file.seek(1, 1)
        else:
            break
        while size := _unpack("B", file)[0]:  # sub-blocks, until an empty one
            file.seek(size, 1)
    return PictureMetadata(Exif(), frames=images > 1)


_GIF_EXTENSION, _GIF_IMAGE = 0x21, 0x2C


def _skip_colour_table(file: BinaryIO, flags: int) -> None:
    if flags & 0x80:
        file.seek(3 * 2 ** (1 + flags % 8), 1)


def _tiff(file: BinaryIO) -> PictureMetadata:
    def read(start: int, size: int) -> bytes:
        if not 0 <= start < 2**63:
            return b""
        file.seek(start)
        return file.read(size)

    exif = parse(read)
    return PictureMetadata(exif, density=exif.density)


def _unpack(code: str, file: BinaryIO) -> tuple[int, ...]:
    return struct.unpack(code, file.read(struct.calcsize(code)))
