"""JPEG 2000 files: the size of tiles, which GDAL does not tell, and a check of their boxes."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

from srlab.io.damage import damaged

HEAD = 2**16
"""Bytes at the beginning of a file that contain the beginning of its codestream."""

_SIZ = b"\xff\x4f\xff\x51"
"""The markers at the beginning of a codestream (ISO/IEC 15444-1, A.4.2 and A.5.1)."""

_SIGNATURE = b"\0\0\0\x0cjP  \r\n\x87\n"
"""The first bytes of a JP2 file."""

_SUPERBOXES = (b"jp2h", b"res ", b"asoc", b"uinf", b"jumb")
"""Kinds of boxes that contain boxes."""


def check_boxes(path: Path) -> None:
    """Raise a `Mistake` if the boxes of a JP2 file contradict each other; other files pass.

    A length of 0 means "up to the end of the file", and only the last outermost box may have it
    (ISO/IEC 15444-1, I.4). Within another box, it makes GDAL loop for ever. A last box that is
    truncated passes, since GDAL handles it.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        if file.read(len(_SIGNATURE)) != _SIGNATURE:
            return
        spans = [(0, size, True)]
        while spans:
            start, end, outermost = spans.pop()
            while start + 8 <= end:
                kind, length, header_size = _box(file, start)
                if length == 0 and outermost:
                    break
                if length < header_size or (start + length > end and not outermost):
                    raise damaged(path, "its boxes contradict each other")
                if kind in _SUPERBOXES:
                    spans.append((start + header_size, min(start + length, end), False))
                start += length


def _box(file: BinaryIO, start: int) -> tuple[bytes, int, int]:
    """Return the kind of the box at `start`, its length and that of its header, in bytes."""
    file.seek(start)
    length, kind, long_length = struct.unpack(">I4sQ", file.read(16).ljust(16, b"\0"))
    if length == 1:  # the length takes 8 bytes behind the kind
        return kind, long_length, 16
    return kind, length, 8


def tile_shape(head: bytes) -> tuple[int, int] | None:
    """Return the rows and columns of the largest tile; None if `head` has no codestream.

    `head` is the file's first `HEAD` bytes.
    """
    start = head.find(_SIZ)
    sizes = head[start + 8 : start + 40]
    if start < 0 or len(sizes) < 32:
        return None
    right, bottom, left, top, width, height, *_ = struct.unpack(">8I", sizes)
    return max(min(height, bottom - top), 0), max(min(width, right - left), 0)
