"""Adding EXIF data to a TIFF, since GDAL cannot write them."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import BinaryIO

from srlab.io.exif import LONG, LONG8, ORIENTATION, PHOTO, PLACE, Exif, directory


def append_exif(path: Path, exif: Exif) -> None:
    """Append EXIF data to a little-endian TIFF.

    The first directory of the file is copied to the end and extended by entries that point to the
    EXIF data (TIFF 6.0, section 2). Everything else stays in place. Tags that the file has already
    are kept, and no orientation is added: the image is upright.
    """
    with path.open("r+b") as file:
        big = file.read(4)[2] == _BIGTIFF
        number, pointer, entry_size = ("<Q", "<Q", 20) if big else ("<H", "<I", 12)
        first_pointer_at = 8 if big else 4

        file.seek(first_pointer_at)
        file.seek(_take(file, pointer))
        entries = [file.read(entry_size) for _ in range(_take(file, number))]
        following = _take(file, pointer)

        present = {int.from_bytes(entry[:2], "little") for entry in entries}
        added = {
            tag: entry
            for tag, entry in exif.image.items()
            if tag not in present and tag != ORIENTATION
        }
        if not (added or exif.photo or exif.place):
            return
        for tag, tags in ((PHOTO, exif.photo), (PLACE, exif.place)):
            if tags:
                start = file.seek(0, os.SEEK_END)
                file.write(directory(tags, start, big=big))
                added[tag] = (LONG8 if big else LONG, struct.pack(pointer, start))
        start = file.seek(0, os.SEEK_END)
        file.write(directory(added, start, big=big, raw=entries, following=following))
        file.seek(first_pointer_at)
        file.write(struct.pack(pointer, start))


_BIGTIFF = 43
"""The third byte of a BigTIFF."""


def _take(file: BinaryIO, code: str) -> int:
    """Read the next number, by its code for `struct`."""
    value: int = struct.unpack(code, file.read(struct.calcsize(code)))[0]
    return value
