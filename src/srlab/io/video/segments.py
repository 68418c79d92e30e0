"""Frames on their way into a video: raw until a segment of them is whole, then encoded."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from shutil import rmtree
from typing import Any

import numpy as np
from numpy.typing import NDArray

from srlab.axes import Window, common, relative
from srlab.files import partial_folder, remove_if_empty
from srlab.io.staging import Staging

FRAMES = 32
"""Frames of a segment. More take more room on the disk, and fewer make a larger video."""


@dataclass(frozen=True)
class Segment:
    """A number of frames of an unfinished video, in a folder: raw, then encoded."""

    video: Path
    number: int
    window: Window
    """Of the whole video."""

    dtype: np.dtype[Any]
    ending: str
    planes: int = 3

    @property
    def folder(self) -> Path:
        """The folder of all segments of the video."""
        return folder_of(self.video)

    @property
    def encoded(self) -> Path:
        """The file of the encoded frames, there when it is whole."""
        return self.folder / f"{self.number:06}{self.ending}"

    @property
    def raw(self) -> Staging:
        """The frames until then, ``(planes, T, H, W)``."""
        shape = tuple(span.stop - span.start for span in self.window)
        name = f"{self.folder.name}/{self.number:06}"
        return Staging(self.video, self.planes, shape, self.dtype, name=name)

    def write(self, window: Window, block: NDArray[Any]) -> bool:
        """Take what a block has of it; return whether it is whole now, to one process alone.

        Any process may call it. A block that comes twice counts once.
        """
        if self.encoded.exists():
            return False
        own = common(window, self.window)
        self.raw.begin()
        self.raw.write(relative(own, self.window), block[(slice(None), *relative(own, window))])
        return self._is_whole(own) and self._claim()

    def frames(self) -> Iterator[NDArray[Any]]:
        """Yield the raw frames ``(H, W, planes)``; what was never written is black."""
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
        return self.folder / f"{self.number:06}.blocks"

    def _is_whole(self, own: Window) -> bool:
        record = np.array([[span.start, span.stop] for span in own], np.int64)
        # One call that appends: records of several processes stay apart.
        file = os.open(self._blocks, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
        try:
            os.write(file, record.tobytes())
        finally:
            os.close(file)
        records = np.unique(np.fromfile(self._blocks, np.int64).reshape(-1, record.size), axis=0)
        sides = records[:, 1::2] - records[:, ::2]
        return int(sides.prod(axis=1).sum()) == prod(self.raw.shape)

    def _claim(self) -> bool:
        try:
            (self.folder / f"{self.number:06}.claimed").touch(exist_ok=False)
        except FileExistsError:
            return False
        return True


def folder_of(video: Path) -> Path:
    """Return the folder of the segments of an unfinished video."""
    return partial_folder(video) / "segments"


def segments(
    video: Path, shape: tuple[int, ...], dtype: np.dtype[Any], ending: str, *, frames: slice
) -> Iterator[Segment]:
    """Yield the segments of a video of `shape` ``(T, H, W)`` that hold some of its `frames`."""
    space = [slice(0, size) for size in shape[1:]]
    for number in range(frames.start // FRAMES, (frames.stop - 1) // FRAMES + 1):
        start = number * FRAMES
        window = (slice(start, min(start + FRAMES, shape[0])), *space)
        yield Segment(video, number, window, dtype, ending)


def remove(video: Path) -> None:
    """Remove the segments of a video, if there are any."""
    folder = folder_of(video)
    if folder.is_dir():
        rmtree(folder)
    remove_if_empty(folder.parent)
