"""The reader of videos."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from srlab.axes import Window, window_shape
from srlab.files import PathLike, existing_file
from srlab.io.damage import CHECK_ENDING, COPY_AGAIN, damaged
from srlab.io.description import RGB_COLOURS, Axis, Channel, Description
from srlab.io.handle import ProcessHandle
from srlab.io.selection import chosen
from srlab.io.video.colours import Colours
from srlab.io.video.decoder import Decoder
from srlab.io.video.display_matrix import orientation
from srlab.io.video.frames import Frames, find_frames, picture_stream
from srlab.io.video.geometry import VideoGeometry
from srlab.io.video.pyav import av, pyav
from srlab.io.windows import check_window

log = logging.getLogger(__name__)

SOUND_EXCESS = 0.2
"""Seconds by which sound is often longer than the pictures."""

THUMBNAIL = (36, 64)
"""The most rows and columns of a thumbnail."""

KEPT_TAGS = ("title", "artist", "copyright", "date", "creation_time")


class VideoReader:
    """A reader of a video with the axes t, y and x and the channels red, green and blue.

    Values have 8 bits, or 16 if the file stores more than 8. They are converted by the matrix and
    the range that the file states. Frames are turned upright. Each frame is identified by its time,
    so that frame n is the same whatever was read before.

    Raises a `Mistake` if there is no such file, PyAV cannot open it, or it holds no video. Also
    raises one for colours that cannot be converted, and for frames without an order.
    """

    def __init__(self, path: PathLike, *, bands: Sequence[int | str] | None = None) -> None:
        self.path = existing_file(path)
        with pyav(f"{path} is not a video that PyAV can read", advice=CHECK_ENDING):
            with av.open(str(self.path)) as container:
                stream = picture_stream(container, str(path))
                self._frames = find_frames(container, stream, str(path))
                aspect = stream.sample_aspect_ratio or Fraction(1)
                duration = container.duration
                tags = {key: container.metadata.get(key, "") for key in KEPT_TAGS}
            first = _first_frame(self.path)
        self._colours = Colours.of(first, str(path))
        self._orientation = orientation(first, str(path))
        _warn_if_short(self._frames, duration, str(path))
        _warn_of_frame(first, self.path)
        geometry = VideoGeometry(
            times=self._frames.times,
            end=self._frames.end,
            time_base=self._frames.time_base,
            colours=self._colours,
            pixel_aspect=1 / aspect if self._orientation.transposed else aspect,
            source=self.path,
        )
        self._stored_shape = (first.height, first.width)
        self._handle = ProcessHandle(
            partial(Decoder, str(self.path), self._frames, self._colours, self._stored_shape),
            Decoder.close,
        )
        height, width = self._orientation.upright_shape((first.height, first.width))
        channels = []
        for name, colour in RGB_COLOURS.items():
            channels.append(Channel(name, dtype=self._colours.dtype, colour=colour))
        self._indices = chosen(tuple(RGB_COLOURS), bands, path)
        self._bands = bands and list(bands)
        self.description = Description(
            (len(self._frames.times), height, width),
            (Axis("t", geometry.spacing, "s"), Axis("y"), Axis("x")),
            tuple(channels[index] for index in self._indices),
            geometry,
            {key: value for key, value in tags.items() if value},
        )

    def __str__(self) -> str:
        return str(self.path)

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(VideoReader, bands=self._bands), (str(self.path),)

    def read(self, window: Window) -> NDArray[np.float32]:
        """Read ``(C, *window)``.

        Raises a `Mistake` if the window is not inside the video, or the file is damaged there.
        """
        check_window(window, self.description.shape)
        times, *space = window
        values = np.empty((len(self._indices), *window_shape(window)), np.float32)
        stored = self._orientation.stored_window(tuple(space), self.description.shape[1:])
        with pyav(f"{self.path} cannot be read: truncated or damaged", advice=COPY_AGAIN):
            frames = self._handle.file().frames(range(times.start, times.stop))
            for index, frame in enumerate(frames):
                part = frame[stored].transpose(2, 0, 1)
                values[:, index] = self._orientation.upright(part[list(self._indices)])
        return values

    def thumbnails(self) -> Iterator[NDArray[np.uint8]]:
        """Yield each frame as a small grey picture ``(H, W)``, not turned upright.

        A missing frame is replaced by the one before it. Raises a `Mistake` if the file is damaged.
        """
        rows, columns = map(min, self._stored_shape, THUMBNAIL)
        small = np.zeros((rows, columns), np.uint8)
        with (
            pyav(f"{self.path} cannot be read: truncated or damaged", advice=COPY_AGAIN),
            av.open(str(self.path)) as container,
        ):
            yielded = 0
            for frame in container.decode(picture_stream(container, str(self.path))):
                number = yielded if self._frames.counted else self._frames.number(frame.pts)
                if number is None or number < yielded:
                    continue
                for _ in range(number - yielded):
                    yield small
                grey: Any = frame.reformat(columns, rows, "gray", interpolation="AREA", threads=1)
                small = grey.to_ndarray()
                yield small
                yielded = number + 1

    def close(self) -> None:
        """Release the file."""
        self._handle.close()


def _warn_if_short(frames: Frames, duration: int | None, path: str) -> None:
    """Warn if frames end long before the `duration` in the header, which is in microseconds."""
    end, stated = float(frames.end * frames.time_base), (duration or 0) / 1e6
    if end < stated - SOUND_EXCESS:
        log.warning(
            "%s may be truncated: its header says %g s, and its last frame ends at %g s",
            path,
            stated,
            end,
        )


def _warn_of_frame(frame: Any, path: Path) -> None:
    """Warn if a decoded frame has properties that are not read."""
    if any(component.is_alpha for component in frame.format.components):
        log.warning("%s has transparency, which is not read", path)
    if frame.interlaced_frame:
        log.warning("%s is interlaced: two times are in one frame; deinterlace it first", path)


def _first_frame(path: Path) -> Any:
    with av.open(str(path)) as container:
        for frame in container.decode(picture_stream(container, str(path))):
            return frame
    raise damaged(path, "none of its frames can be decoded")
