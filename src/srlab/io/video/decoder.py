"""Frames of an open video by number: decoding goes forwards, and seeks only if it must."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

from numpy.typing import NDArray

from srlab.io.damage import damaged
from srlab.io.video.colours import Colours
from srlab.io.video.frames import Frames, picture_stream
from srlab.io.video.pyav import av
from srlab.mistakes import Mistake

CACHE_SIZE = 1 << 28
"""The most bytes of decoded frames that are kept."""

Frame = Any  # of PyAV


class Decoder:
    """The frames of an open video by number, as RGB ``(H, W, 3)`` and not yet turned upright.

    To reach a frame, the decoder goes on from where it is, or from the nearest keyframe before the
    frame. All frames must have the `shape` ``(H, W)``.
    """

    def __init__(self, path: str, frames: Frames, colours: Colours, shape: tuple[int, int]) -> None:
        self._path, self._frames, self._colours, self._shape = path, frames, colours, shape
        self._kept: OrderedDict[int, NDArray[Any]] = OrderedDict()
        self._open()

    def frames(self, numbers: range) -> Iterator[NDArray[Any]]:
        """Yield frames; a `Mistake` if the file is damaged there.

        They are kept until others are asked for, since the tiles of some frames are read one after
        another.
        """
        for number in numbers:
            if number in self._kept:
                self._kept.move_to_end(number)
            else:
                self._kept[number] = self._colours.to_rgb(self._decoded(number))
            frame = self._kept[number]
            while len(self._kept) > min(len(numbers), max(CACHE_SIZE // frame.nbytes, 1)):
                self._kept.popitem(last=False)
            yield frame

    def close(self) -> None:
        """Release the file."""
        self._container.close()

    def _open(self) -> None:
        self._container = av.open(self._path)
        self._stream = picture_stream(self._container, self._path)
        self._decoding: Iterator[Frame] = self._container.decode(self._stream)
        self._next = 0

    def _decoded(self, number: int) -> Frame:
        """Decode a frame, from the current position or from one of the keyframes before it."""
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
        how = f"frame {number} of {len(self._frames.times)} cannot be decoded"
        raise damaged(self._path, how)

    def _seek(self, start: int) -> None:
        """Go to a keyframe, by its number."""
        if start == 0:
            # Seeking in some formats passes over the first frame, so the file is opened anew.
            self.close()
            self._open()
            return
        self._container.seek(self._frames.times[start], stream=self._stream)
        self._decoding = self._container.decode(self._stream)
        self._next = start

    def _forward(self, number: int) -> Frame | None:
        """Decode up to a frame; None if the video passes over it, or ends before it."""
        for frame in self._decoding:
            current = self._next if self._frames.counted else self._frames.number(frame.pts)
            if current is None:
                continue
            self._next = current + 1
            if current > number:
                return None
            if current == number:
                return self._checked(frame, number)
        self._next = len(self._frames.times)
        return None

    def _checked(self, frame: Frame, number: int) -> Frame:
        if frame.is_corrupt:
            raise damaged(self._path, f"frame {number} is incomplete")
        if (frame.height, frame.width) != self._shape:
            raise Mistake(
                f"{self._path} changes its size at frame {number}, from {_size(self._shape)} to "
                f"{_size((frame.height, frame.width))}: cut it into videos of one size."
            )
        return frame


def _size(shape: tuple[int, int]) -> str:
    return f"{shape[1]} x {shape[0]}"
