"""JPEG 2000: the tiles, which GDAL does not tell, and the boxes, in which it may be caught."""

from __future__ import annotations

import struct
from pathlib import Path

from srlab.mistakes import Mistake

HEAD = 2**16
"""Bytes at the beginning of a file in which its codestream begins."""

_SIZ = b"\xff\x4f\xff\x51"
"""The markers at the beginning of a codestream (ISO/IEC 15444-1, A.4.2 and A.5.1)."""


_SIGNATURE = b"\0\0\0\x0cjP  \r\n\x87\n"
_OF_BOXES = (b"jp2h", b"res ", b"asoc", b"uinf", b"jumb")
"""Kinds of boxes that hold boxes."""


def check_boxes(path: Path) -> None:
    """Raise a `Mistake` if a JP2 file's boxes contradict each other; of other files check nothing.

    In a box that holds one of length 0, GDAL looks for the next one without end. Only a file's last
    box may have that length (ISO/IEC 15444-1, I.4). One that a truncated file cuts is left to GDAL.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        if file.read(len(_SIGNATURE)) != _SIGNATURE:
            return
        spans = [(0, size, True)]
        while spans:
            place, end, outermost = spans.pop()
            while place + 8 <= end:
                file.seek(place)
                length, kind, longer = struct.unpack(">I4sQ", file.read(16).ljust(16, b"\0"))
                head = 8
                if length == 1:
                    length, head = longer, 16
                if length == 0 and outermost:
                    break
                if length < head or (place + length > end and not outermost):
                    raise Mistake(f"{path} is a damaged JPEG 2000 file: fetch or export it again.")
                if kind in _OF_BOXES:
                    spans.append((place + head, min(place + length, end), False))
                place += length


def tile_shape(head: bytes) -> tuple[int, int] | None:
    """Return the rows and columns of the largest tile; None if the head shows no codestream.

    `head` is the file's first `HEAD` bytes.
    """
    at = head.find(_SIZ)
    sizes = head[at + 8 : at + 40]
    if at < 0 or len(sizes) < 32:
        return None
    right, bottom, left, top, width, height, *_ = struct.unpack(">8I", sizes)
    return max(min(height, bottom - top), 0), max(min(width, right - left), 0)
