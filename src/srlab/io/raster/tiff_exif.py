"""EXIF data in a TIFF, in directories of their own, which GDAL does not write."""

from __future__ import annotations

import os
import struct
from pathlib import Path

from srlab.io.exif import LONG, LONG8, ORIENTATION, PHOTO, PLACE, Exif, directory


def append_exif(path: Path, exif: Exif) -> None:
    """Append EXIF data to a little-endian TIFF, and a first directory that leads to them.

    It is the former one with more entries (TIFF 6.0, section 2). Blocks, values and all other
    directories stay where they are. Tags of the image that the file has already are left alone, and
    it stands upright without saying so.
    """
    with path.open("r+b") as file:
        big = file.read(4)[2] == 43
        number, pointer, step = ("<Q", "<Q", 20) if big else ("<H", "<I", 12)
        at = 8 if big else 4

        def take(code: str) -> int:
            value: int = struct.unpack(code, file.read(struct.calcsize(code)))[0]
            return value

        file.seek(at)
        file.seek(take(pointer))
        raw = [file.read(step) for _ in range(take(number))]
        following = take(pointer)

        there = {int.from_bytes(row[:2], "little") for row in raw} | {ORIENTATION}
        image = {tag: entry for tag, entry in exif.image.items() if tag not in there}
        if not (image or exif.photo or exif.place):
            return
        for tag, entries in ((PHOTO, exif.photo), (PLACE, exif.place)):
            if entries:
                start = file.seek(0, os.SEEK_END)
                file.write(directory(entries, start, big=big))
                image[tag] = (LONG8 if big else LONG, struct.pack(pointer, start))
        start = file.seek(0, os.SEEK_END)
        file.write(directory(image, start, big=big, raw=raw, following=following))
        file.seek(at)
        file.write(struct.pack(pointer, start))
