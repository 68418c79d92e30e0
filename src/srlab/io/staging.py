"""Blocks on the disk, from any process and in any order, until a file is encoded from them."""

from __future__ import annotations

import ctypes
import errno
import os
from dataclasses import dataclass
from math import prod
from pathlib import Path
from shutil import disk_usage
from typing import Any

import numpy as np
from numpy.typing import NDArray

from srlab.axes import Window
from srlab.files import partial_folder, remove_if_empty
from srlab.mistakes import FailedWrite

Array = NDArray[Any]


@dataclass(frozen=True)
class Staging:
    """An uncompressed array ``(planes, *S)``, row by row, in the folder of the unfinished `output`.

    It is a path and a layout, so any process can use it, and nothing stays open or in memory. The
    room for all of it is reserved at the start, where the file system can do that. So the disk
    cannot become full in the middle, and pieces that are written in any order lie side by side.
    """

    output: Path
    planes: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    head: bytes = b""
    """What the file begins with, before the array."""

    name: str = "pixels"
    """The name of the file in the folder."""

    @property
    def path(self) -> Path:
        """The file."""
        return partial_folder(self.output) / self.name

    @property
    def size(self) -> int:
        """Bytes of the whole file."""
        return len(self.head) + self.planes * prod(self.shape) * self.dtype.itemsize

    def prepare(self) -> None:
        """Begin anew with zeros; a `FailedWrite` if the disk has no room for the file."""
        self.discard()
        free = disk_usage(self.output.parent).free
        if free < self.size:
            raise FailedWrite(
                f"{self.output} cannot be written: it needs {_readable(self.size)} while it is "
                f"made, and {_readable(free)} are free. Make room, or write to another disk."
            )
        try:
            self.path.parent.mkdir(exist_ok=True)
            with self.path.open("wb") as file:
                file.write(self.head)
                file.truncate(self.size)
                _reserve(file.fileno(), self.size)
        except OSError as error:
            raise self._failure(error) from error

    @property
    def is_begun(self) -> bool:
        """Whether the file is there, in full length."""
        return self.path.is_file() and self.path.stat().st_size == self.size

    def begin(self) -> None:
        """Begin with zeros, unless another process has begun: what is there is kept."""
        try:
            self.path.parent.mkdir(exist_ok=True)
            with self.path.open("ab") as file:
                file.truncate(self.size)
        except OSError as error:
            raise self._failure(error) from error

    def write(self, window: Window, block: Array, *, first: int = 0) -> None:
        """Write ``(planes, *window)`` of any number of planes from the plane `first` on."""
        # Not by memory-mapping: on a full disk that ends the process without a word.
        planes = slice(first, first + len(block))
        starts, length = _runs((planes, *window), (self.planes, *self.shape))
        data = np.ascontiguousarray(block).reshape(-1).view(np.uint8).data
        length *= self.dtype.itemsize
        try:
            with self.path.open("r+b", buffering=0) as file:
                for number, start in enumerate(starts):
                    run = data[number * length : (number + 1) * length]
                    place = len(self.head) + start * self.dtype.itemsize
                    if os.pwrite(file.fileno(), run, place) < length:
                        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            raise self._failure(error) from error

    def read(self, window: Window, *, planes: slice = slice(None)) -> Array:
        """Read ``(planes, *window)`` of all planes, or of those of a slice."""
        # Not by memory-mapping: around each short piece of a row that maps 64 KB more.
        place = (slice(*planes.indices(self.planes)), *window)
        starts, length = _runs(place, (self.planes, *self.shape))
        block = np.empty([part.stop - part.start for part in place], self.dtype)
        data = block.reshape(-1).view(np.uint8).data
        length *= self.dtype.itemsize
        with self.path.open("rb", buffering=0) as file:
            for number, start in enumerate(starts):
                run = data[number * length : (number + 1) * length]
                offset = len(self.head) + start * self.dtype.itemsize
                if os.preadv(file.fileno(), [run], offset) < length:
                    raise OSError(errno.EIO, f"{self.path} is cut short")
        return block

    def sync(self) -> None:
        """Have the disk hold all that any process has written."""
        try:
            with self.path.open("r+b") as file:
                os.fdatasync(file.fileno())
        except OSError as error:
            raise self._failure(error) from error

    def discard(self) -> None:
        """Remove the file, if it is there, and the folder if nothing else is in it."""
        self.path.unlink(missing_ok=True)
        remove_if_empty(self.path.parent)

    def _failure(self, error: OSError) -> FailedWrite:
        return FailedWrite(f"{self.output} cannot be written: {error.strerror}.")


def _reserve(descriptor: int, size: int) -> None:
    """Take the room on the disk for a file, where the file system can do that.

    Raises an `OSError` if there is not enough. ``os.posix_fallocate`` would write zeros where the
    file system cannot, which takes as long as the output itself.
    """
    try:
        fallocate = ctypes.CDLL(None, use_errno=True).fallocate
    except (OSError, AttributeError):
        return
    failed = fallocate(descriptor, 0, ctypes.c_int64(0), ctypes.c_int64(size))
    if failed and ctypes.get_errno() == errno.ENOSPC:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _runs(place: Window, shape: tuple[int, ...]) -> tuple[list[int], int]:
    """Return where each run of a block's values begins in an array of `shape`, and its length."""
    *outer, last = place
    sizes = list(shape)
    while outer and last == slice(0, sizes[-1]):  # full rows lie side by side, and make one run
        width = sizes.pop()
        last = outer.pop()
        last = slice(last.start * width, last.stop * width)
        sizes[-1] *= width
    starts = np.zeros(1, np.int64)
    for part, size in zip(outer, sizes, strict=False):
        starts = np.add.outer(starts * size, np.arange(part.start, part.stop)).reshape(-1)
    starts = starts * sizes[-1] + last.start
    return starts.tolist(), last.stop - last.start


def _readable(size: int) -> str:
    """Return a number of bytes in words."""
    if size < 1e9:
        return f"{size / 1e6:.1f} MB"
    return f"{size / 1e9:.1f} GB"
