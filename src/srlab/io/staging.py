"""`Staging`: the blocks of an unfinished output, on the disk until a file is encoded from them."""

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

from srlab.axes import Window, window_shape
from srlab.files import partial_folder, remove_if_empty
from srlab.io.write_errors import write_errors_as_mistake
from srlab.mistakes import FailedWrite

Array = NDArray[Any]


@dataclass(frozen=True)
class Staging:
    """An uncompressed array ``(planes, *S)`` in a file, in the folder of an unfinished output.

    Any process can write to it in any order, since the object is only a path and a layout: nothing
    stays open or in memory. If the file system can do so, it reserves the room for the whole file
    at the start. Then the disk cannot become full later, and the file is not scattered over it.
    """

    output: Path
    """The output, which names the folder and appears in messages."""

    planes: int
    """The number of planes, such as channels, each of `shape`."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    head: bytes = b""
    """The bytes of the file before the array."""

    name: str = "pixels"
    """The name of the file in the folder."""

    @property
    def path(self) -> Path:
        """The path of the file."""
        return partial_folder(self.output) / self.name

    @property
    def size(self) -> int:
        """Bytes of the whole file."""
        return len(self.head) + self.planes * prod(self.shape) * self.dtype.itemsize

    def prepare(self) -> None:
        """Begin anew, with zeros; a `FailedWrite` if the disk has no room for the file."""
        self.discard()
        free = disk_usage(self.output.parent).free
        if free < self.size:
            raise FailedWrite(
                f"{self.output} cannot be written: it needs {_readable(self.size)} while it is "
                f"made, and {_readable(free)} are free. Make room, or write to another disk."
            )
        with write_errors_as_mistake(self.output):
            self.path.parent.mkdir(exist_ok=True)
            with self.path.open("wb") as file:
                file.write(self.head)
                file.truncate(self.size)
                _reserve(file.fileno(), self.size)

    @property
    def is_begun(self) -> bool:
        """Whether the file exists in its full length."""
        return self.path.is_file() and self.path.stat().st_size == self.size

    def begin(self) -> None:
        """Begin with zeros, unless another process has begun the file; its content is kept."""
        with write_errors_as_mistake(self.output):
            self.path.parent.mkdir(exist_ok=True)
            with self.path.open("ab") as file:
                file.truncate(self.size)

    def write(self, window: Window, block: Array, *, first: int = 0) -> None:
        """Write ``(N, *window)``: a window of N planes, from the plane `first` on."""
        # A memory map would crash the process on a full disk.
        planes = slice(first, first + len(block))
        starts, length = _runs((planes, *window), (self.planes, *self.shape))
        data = np.ascontiguousarray(block).reshape(-1).view(np.uint8).data
        length *= self.dtype.itemsize
        with (
            write_errors_as_mistake(self.output),
            self.path.open("r+b", buffering=0) as file,
        ):
            for number, start in enumerate(starts):
                run = data[number * length : (number + 1) * length]
                offset = len(self.head) + start * self.dtype.itemsize
                if os.pwrite(file.fileno(), run, offset) < length:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def read(self, window: Window, *, planes: slice = slice(None)) -> Array:
        """Read ``(N, *window)``: a window of all planes, or of some."""
        # A memory map would keep 64 KB in memory around each short piece of a row.
        slices = (slice(*planes.indices(self.planes)), *window)
        starts, length = _runs(slices, (self.planes, *self.shape))
        block = np.empty(window_shape(slices), self.dtype)
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
        """Flush everything that any process has written to the disk."""
        with write_errors_as_mistake(self.output), self.path.open("r+b") as file:
            os.fdatasync(file.fileno())

    def discard(self) -> None:
        """Remove the file, if it exists, and the folder if it is empty then."""
        self.path.unlink(missing_ok=True)
        remove_if_empty(self.path.parent)


def _reserve(descriptor: int, size: int) -> None:
    """Reserve the room on the disk for a file, if the file system can do so.

    Raises an `OSError` if there is not enough. ``os.posix_fallocate`` is no alternative: on other
    file systems it writes zeros, which takes as long as writing the output.
    """
    try:
        fallocate = ctypes.CDLL(None, use_errno=True).fallocate
    except (OSError, AttributeError):
        return
    failed = fallocate(descriptor, 0, ctypes.c_int64(0), ctypes.c_int64(size))
    if failed and ctypes.get_errno() == errno.ENOSPC:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _runs(slices: Window, shape: tuple[int, ...]) -> tuple[list[int], int]:
    """Return where the runs of a block begin in an array of `shape`, and the length of a run.

    A run is a piece of the block whose values are neighbours in the file. Both are in values.
    """
    *outer, last = slices
    sizes = list(shape)
    # While the block covers all of the last axis, this axis is merged into the one before.
    while outer and last == slice(0, sizes[-1]):
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
