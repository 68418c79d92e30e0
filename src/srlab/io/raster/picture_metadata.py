"""What pictures say beside their pixels, and GDAL does not: EXIF, profile, density, animation."""

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
"""Bytes of a block that are read."""

_EXIF_IN_JPEG = b"Exif\0\0"


@dataclass(frozen=True)
class Notes:
    """What a picture says beside its pixels."""

    exif: Exif
    profile: bytes = b""
    """The ICC profile; empty where there is none, or GDAL reads it."""

    density: tuple[float, float] | None = None
    """Pixels a metre of paper, ``(y, x)``."""

    frames: bool = False
    """Whether it is an animation."""

    @property
    def colour_profile(self) -> dict[str, str]:
        """The profile by GDAL's key."""
        if not self.profile:
            return {}
        return {"SOURCE_ICC_PROFILE": b64encode(self.profile).decode()}


def read_notes(path: Path, driver: str) -> Notes:
    """Read the notes of a picture that GDAL opens with `driver`; damaged ones are left out."""
    reading = {"PNG": _png, "JPEG": _jpeg, "WEBP": _webp, "BMP": _bmp, "GIF": _gif, "GTiff": _tiff}
    read = reading.get(driver)
    if read is None:
        return Notes(Exif())
    with path.open("rb") as file:
        try:
            return read(file)
        except (struct.error, zlib.error):  # beyond the end of a truncated file
            return Notes(Exif())


def _png(file: BinaryIO) -> Notes:
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
    return Notes(exif, profile, density or exif.density, frames)


def _png_chunks(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Yield kind and size of each chunk, with the file at its content."""
    at = 8
    while True:
        file.seek(at)
        head = file.read(8)
        if len(head) < 8 or head[4:] == b"IEND":
            return
        size, kind = struct.unpack(">I4s", head)
        yield kind, size
        at += size + 12


def _jpeg(file: BinaryIO) -> Notes:
    exif, density = Exif(), None
    file.seek(2)
    while True:
        marker, size = _unpack(">HH", file)
        if not 0xFFC0 <= marker <= 0xFFFE or marker == 0xFFDA or size < 2:
            return Notes(exif, density=density or exif.density)
        content = file.read(size - 2)
        if marker == 0xFFE1 and content.startswith(_EXIF_IN_JPEG):
            exif = parse_bytes(content[len(_EXIF_IN_JPEG) :])
        if marker == 0xFFE0 and content.startswith(b"JFIF\0"):
            unit, columns, rows = struct.unpack_from(">BHH", content, 7)
            metre = {1: 0.0254, 2: 0.01}.get(unit)
            if metre and rows and columns:
                density = (rows / metre, columns / metre)


def _webp(file: BinaryIO) -> Notes:
    exif, profile, frames = Exif(), b"", False
    at = 12
    while True:
        file.seek(at)
        head = file.read(8)
        if len(head) < 8:
            return Notes(exif, profile, exif.density, frames)
        kind, size = struct.unpack("<4sI", head)
        if kind == b"ANIM":
            frames = True
        elif kind == b"EXIF":
            exif = parse_bytes(file.read(min(size, _MOST)).removeprefix(_EXIF_IN_JPEG))
        elif kind == b"ICCP":
            profile = file.read(min(size, _MOST))
        at += 8 + size + size % 2


def _bmp(file: BinaryIO) -> Notes:
    file.seek(38)
    columns, rows = _unpack("<2i", file)
    density = (float(rows), float(columns)) if rows > 0 and columns > 0 else None
    return Notes(Exif(), density=density)


def _gif(file: BinaryIO) -> Notes:
    """Count the images up to two: each is a block of its own."""
    file.seek(10)
    _skip_table(file, _unpack("<B2x", file)[0])
    images = 0
    while images < 2:
        (kind,) = _unpack("B", file)
        if kind == 0x21:
            file.seek(1, 1)
        elif kind == 0x2C:
            images += 1
            _skip_table(file, _unpack("<8xB", file)[0])
            file.seek(1, 1)
        else:
            break
        while size := _unpack("B", file)[0]:
            file.seek(size, 1)
    return Notes(Exif(), frames=images > 1)


def _skip_table(file: BinaryIO, flags: int) -> None:
    if flags & 0x80:
        file.seek(3 * 2 ** (1 + flags % 8), 1)


def _tiff(file: BinaryIO) -> Notes:
    def read(start: int, size: int) -> bytes:
        if not 0 <= start < 2**63:
            return b""
        file.seek(start)
        return file.read(size)

    exif = parse(read)
    return Notes(exif, density=exif.density)


def _unpack(code: str, file: BinaryIO) -> tuple[int, ...]:
    return struct.unpack(code, file.read(struct.calcsize(code)))
