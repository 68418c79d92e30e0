"""The tiles of JPEG 2000, which GDAL does not tell."""

from __future__ import annotations

import struct

HEAD = 2**16
"""Bytes at the beginning of a file in which its codestream begins."""

_SIZ = b"\xff\x4f\xff\x51"
"""The markers at the beginning of a codestream (ISO/IEC 15444-1, A.4.2 and A.5.1)."""


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
