"""An open video that decodes forwards, and seeks only where it must."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

from numpy.typing import NDArray

from srlab.io.video.colours import Colours
from srlab.io.video.frames import Frames, picture_stream
from srlab.io.video.pyav import av
from srlab.mistakes import Mistake

KEPT = 1 << 27
"""Bytes of the decoded frames that are kept: tiles of a frame follow each other."""

Frame = Any  # of PyAV


class Decoder:
    """The frames of a file by number, ``(H, W, 3)`` as stored.

    Frames come from the one before, or from the nearest keyframe. A few are kept. All must have
    the `shape` ``(H, W)``.
    """

    def __init__(self, path: str, frames: Frames, colours: Colours, shape: tuple[int, int]) -> None:
        self._path, self._frames, self._colours, self._shape = path, frames, colours, shape
        self._kept: OrderedDict[int, NDArray[Any]] = OrderedDict()
        self._open()

    def frame(self, number: int) -> NDArray[Any]:
        """Return a frame; a `Mistake` if the file is damaged there."""
        if number in self._kept:
            self._kept.move_to_end(number)
            return self._kept[number]
        rgb = self._colours.to_rgb(self._decoded(number))
        self._kept[number] = rgb
        while len(self._kept) > max(KEPT // rgb.nbytes, 1):
            self._kept.popitem(last=False)
        return rgb

    def close(self) -> None:
        """Release the file."""
        self._container.close()

    def _open(self) -> None:
        self._container = av.open(self._path)
        self._stream = picture_stream(self._container, self._path)
        self._decoding: Iterator[Frame] = self._container.decode(self._stream)
        self._next = 0

    def _decoded(self, number: int) -> Frame:
        nearest, *_ = self._frames.starts(number)
        if nearest <= self._next <= number:
            frame = self._forward(number)
            if frame is not None:
                return frame
        for start in self._frames.starts(number):
            self._seek(start)
            frame = self._forward(number)
            if frame is not None:
                return frame
        raise Mistake(
            f"{self._path} is truncated or damaged: frame {number} of {len(self._frames.times)} "
            "cannot be decoded."
        )

    def _seek(self, start: int) -> None:
        if start == 0:  # some formats seek by the times of packets, and pass over the first frame
            self.close()
            self._open()
            return
        self._container.seek(self._frames.times[start], stream=self._stream)
        self._decoding = self._container.decode(self._stream)
        self._next = start

    def _forward(self, number: int) -> Frame | None:
        """Decode until a frame; None if it is passed over, or the file ends before."""
        for frame in self._decoding:
            at = self._next if self._frames.counted else self._frames.number(frame.pts)
            if at is None:
                continue
            self._next = at + 1
            if at >= number:
                return self._checked(frame, number) if at == number else None
        self._next = len(self._frames.times)
        return None

    def _checked(self, frame: Frame, number: int) -> Frame:
        if frame.is_corrupt:
            raise Mistake(f"{self._path} is truncated or damaged at frame {number}.")
        if (frame.height, frame.width) != self._shape:
            raise Mistake(
                f"{self._path} changes its size at frame {number}, from {_size(self._shape)} to "
                f"{_size((frame.height, frame.width))}: cut it into videos of one size."
            )
        return frame


def _size(shape: tuple[int, int]) -> str:
    return f"{shape[1]} x {shape[0]}"
