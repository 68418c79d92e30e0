"""The frames of an unfinished video, on the disk: raw until a segment is complete, then encoded."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from math import prod
from pathlib import Path
from shutil import rmtree
from typing import Any

import numpy as np
from numpy.typing import NDArray

from srlab.axes import Window, common, relative, window_shape
from srlab.files import partial_folder, remove_if_empty
from srlab.io.staging import Staging

FRAMES = 32
"""The number of frames in a segment. More need more room on the disk, fewer compress less."""


@dataclass(frozen=True)
class Segment:
    """Some successive frames of an unfinished video, as files in a folder beside it."""

    video: Path
    number: int
    """The number of the segment, from 0."""

    window: Window
    """The frames of the segment, as a window of the whole video."""

    dtype: np.dtype[Any]
    suffix: str
    """The suffix of the encoded file."""

    planes: int = 3
    """The number of channels."""

    @property
    def folder(self) -> Path:
        """The folder of all segments of the video."""
        return folder_of(self.video)

    @property
    def encoded(self) -> Path:
        """The file of the encoded frames, which exists once it is complete."""
        return self.folder / f"{self.number:06}{self.suffix}"

    @property
    def raw(self) -> Staging:
        """The raw frames ``(planes, T, H, W)``, until they are encoded."""
        name = f"{self.folder.name}/{self.number:06}"
        return Staging(self.video, self.planes, window_shape(self.window), self.dtype, name=name)

    def write(self, window: Window, block: NDArray[Any]) -> bool:
        """Store the part of a block that belongs to this segment.

        Any process may call this. The call that makes the segment complete returns True, and only
        this one: its caller is to encode the segment. A block that comes twice counts once.
        """
        if self.encoded.exists():
            return False
        own = common(window, self.window)
        pixels = block[(slice(None), *relative(own, window))]
        self.raw.begin()
        self.raw.write(relative(own, self.window), pixels)
        return self._is_complete_with(own) and self._claim()

    def frames(self) -> Iterator[NDArray[Any]]:
        """Yield the raw frames ``(H, W, planes)``; pixels that were never written are 0."""
        self.raw.begin()
        count, *sizes = self.raw.shape
        for number in range(count):
            window = (slice(number, number + 1), *(slice(0, size) for size in sizes))
            yield np.ascontiguousarray(self.raw.read(window)[:, 0].transpose(1, 2, 0))

    def forget(self) -> None:
        """Remove the raw frames."""
        self.raw.discard()
        self._blocks.unlink(missing_ok=True)

    @property
    def _blocks(self) -> Path:
        """The file with a record of each block that was written."""
        return self.folder / f"{self.number:06}.blocks"

    def _is_complete_with(self, own: Window) -> bool:
        """Note a block; return whether all blocks together now cover the segment."""
        record = np.array([[span.start, span.stop] for span in own], np.int64)
        # Appending by one call keeps the records of several processes apart.
        file = os.open(self._blocks, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
        try:
            os.write(file, record.tobytes())
        finally:
            os.close(file)
        records = np.fromfile(self._blocks, np.int64).reshape(-1, record.size)
        different = np.unique(records, axis=0)
        sides = different[:, 1::2] - different[:, ::2]
        return int(sides.prod(axis=1).sum()) == prod(self.raw.shape)

    def _claim(self) -> bool:
        """Return whether this process is the first to claim the encoding of the segment."""
        try:
            (self.folder / f"{self.number:06}.claimed").touch(exist_ok=False)
        except FileExistsError:
            return False
        return True


def folder_of(video: Path) -> Path:
    """Return the folder of the segments of an unfinished video."""
    return partial_folder(video) / "segments"


def begin(first: Segment) -> None:
    """Begin the folder of a video anew; a `FailedWrite` if there is no room for a segment."""
    remove(first.video)
    first.folder.mkdir(parents=True)
    first.raw.prepare()
    first.raw.discard()


def sync(video: Path) -> None:
    """Flush all files in the folder of a video to the disk."""
    for file in folder_of(video).iterdir():
        # Meanwhile another process may rename a file, or make a folder for a frame.
        with suppress(FileNotFoundError, IsADirectoryError), file.open("rb") as opened:
            os.fsync(opened.fileno())


def segments(
    video: Path, shape: tuple[int, ...], dtype: np.dtype[Any], suffix: str, *, frames: slice
) -> Iterator[Segment]:
    """Yield the segments of a video of `shape` ``(T, H, W)`` that hold some of its `frames`."""
    space = [slice(0, size) for size in shape[1:]]
    for number in range(frames.start // FRAMES, (frames.stop - 1) // FRAMES + 1):
        start = number * FRAMES
        window = (slice(start, min(start + FRAMES, shape[0])), *space)
        yield Segment(video, number, window, dtype, suffix)


def remove(video: Path) -> None:
    """Remove the segments of a video, if there are any."""
    folder = folder_of(video)
    if folder.is_dir():
        rmtree(folder)
    remove_if_empty(folder.parent)
