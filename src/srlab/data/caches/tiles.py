"""Tiled files of decoded values, from which windows are read at the speed of the disk."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from srlab.axes import Window, common, relative
from srlab.data.caches.encoding import Encoding, encoded
from srlab.io import Description, Reader

SIDE = {2: 128, 3: 32}
"""Pixels along each side of a tile, by the number of axes.

A file with more than three axes has tiles of one entry along the axes before its last three.
"""

HEADER = 4096
"""Bytes before the first tile, so that tiles lie on pages."""


@dataclass(frozen=True)
class Layout:
    """The layout of a file of tiles ``(C, *sides)``, row by row; tiles at the end are padded."""

    channels: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @classmethod
    def of(cls, description: Description, encoding: Encoding) -> Layout:
        """Return the layout for a file's shape and an encoding's type."""
        return cls(len(description.channels), description.shape, encoding.dtype)

    @property
    def sides(self) -> tuple[int, ...]:
        """The pixels of a tile along each axis."""
        spatial = self.shape[-3:]
        alone = (1,) * (len(self.shape) - len(spatial))
        return (*alone, *(min(SIDE[len(spatial)], size) for size in spatial))

    @property
    def grid(self) -> tuple[int, ...]:
        """The number of tiles along each axis."""
        return tuple(-(-size // side) for size, side in zip(self.shape, self.sides, strict=True))

    @property
    def tile_bytes(self) -> int:
        """The bytes of one tile."""
        return self.channels * prod(self.sides) * self.dtype.itemsize

    @property
    def size(self) -> int:
        """The bytes of the whole file."""
        return HEADER + prod(self.grid) * self.tile_bytes

    def tiles(self, window: Window) -> Iterator[tuple[int, Window]]:
        """Yield the first byte of each tile that touches a window, and the pixels of the tile."""
        spans = zip(window, self.sides, strict=True)
        indices = [range(span.start // side, -(-span.stop // side)) for span, side in spans]
        for index in product(*indices):
            number = int(np.ravel_multi_index(index, self.grid))
            corners = zip(index, self.sides, strict=True)
            pixels = tuple(slice(at * side, (at + 1) * side) for at, side in corners)
            yield HEADER + number * self.tile_bytes, pixels


class TiledFile:
    """A finished file of tiles, open for reading; forked processes may share it.

    Raises an `OSError` if the file does not exist or is damaged.
    """

    def __init__(self, path: Path, description: Description, encodings: list[Encoding]) -> None:
        self._file = path.open("rb", buffering=0)
        try:
            head = json.loads(os.pread(self._file.fileno(), HEADER, 0))
            by_type = {encoding.dtype.str: encoding for encoding in encodings}
            self._encoding = by_type[head["dtype"]]
            self._layout = Layout.of(description, self._encoding)
            if os.fstat(self._file.fileno()).st_size != self._layout.size:
                raise ValueError("it has another size")
        except (ValueError, KeyError, TypeError) as error:
            self.close()
            raise OSError(errno.EIO, f"damaged, {error}", str(path)) from error

    def read(self, window: Window) -> NDArray[np.float32]:
        """Read ``(C, *window)`` in physical units, NaN where there is no data."""
        layout = self._layout
        shape = (layout.channels, *(span.stop - span.start for span in window))
        stored = np.empty(shape, layout.dtype)
        for start, pixels in layout.tiles(window):
            data = os.pread(self._file.fileno(), layout.tile_bytes, start)
            if len(data) < layout.tile_bytes:
                raise OSError(errno.EIO, "truncated while it was read")
            tile = np.frombuffer(data, layout.dtype).reshape(layout.channels, *layout.sides)
            part = common(window, pixels)
            target = (slice(None), *relative(part, window))
            stored[target] = tile[(slice(None), *relative(part, pixels))]
        return self._encoding.decode(stored)

    def touch(self) -> None:
        """Set the time of last use to now, unless the file belongs to another user."""
        with suppress(PermissionError):
            os.utime(self._file.fileno())

    def close(self) -> None:
        """Release the file."""
        self._file.close()


def write_tiles(path: Path, reader: Reader, encoding: Encoding) -> None:
    """Decode a file into tiles at `path`, an existing file of the full size.

    Raises an `InexactEncoding`, an `OSError` if the disk is full, or the errors of `reader`.
    """
    layout = Layout.of(reader.description, encoding)
    with path.open("r+b", buffering=0) as file:
        head = json.dumps({"dtype": encoding.dtype.str}).ljust(HEADER).encode()
        _write(file.fileno(), head, 0)
        for window, values in encoded(reader, encoding, layout.sides):
            for start, pixels in layout.tiles(window):
                part = common(window, pixels)
                tile = np.zeros((layout.channels, *layout.sides), layout.dtype)
                target = (slice(None), *relative(part, pixels))
                tile[target] = values[(slice(None), *relative(part, window))]
                _write(file.fileno(), tile.data.cast("B"), start)
        os.fsync(file.fileno())  # or a crash of the machine could leave a file of zeros


def _write(descriptor: int, data: bytes | memoryview, start: int) -> None:
    if os.pwrite(descriptor, data, start) < len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
