"""The reader of a folder of pictures as a video."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from srlab.axes import Window
from srlab.files import PathLike, existing_path
from srlab.io import open_reader
from srlab.io.description import Axis, Description
from srlab.io.exif import Exif
from srlab.io.protocols import Reader
from srlab.io.video.colours import FULL, RGB, UNSPECIFIED, Colours
from srlab.io.video.geometry import VideoGeometry
from srlab.io.video.listing import LISTING, TICK, USUAL_RATE, read_listing
from srlab.io.video.reader import THUMBNAIL
from srlab.io.windows import check_window
from srlab.mistakes import Mistake

log = logging.getLogger(__name__)

BITS = {"uint8": 8, "uint16": 16}
"""The types of pictures that can be frames, and the bits of a channel."""

OPEN_FRAMES = 4
"""The most frames that stay open, since the tiles of a frame are read one after another."""


class FrameFolderReader:
    """A reader of a folder of pictures as a video, with the axes t, y and x.

    The folder may hold a list of the frames and their times (`srlab.io.video.listing`). Otherwise
    they are shown in the natural order of their names, `USUAL_RATE` frames per second. All frames
    must have the size, the bands and the type of the first one, which is checked at reading.

    Raises a `Mistake` if there is no such folder, or it holds no pictures. Also raises one if the
    values of the first picture have neither 8 nor 16 bits.
    """

    def __init__(self, path: PathLike, *, bands: Sequence[int | str] | None = None) -> None:
        self.path = existing_path(path)
        if not self.path.is_dir():
            raise Mistake(f"{path} is a file, and a folder of frames is wanted.")
        self._bands = bands and list(bands)
        self._listing = read_listing(self.path)
        self._open_frames: OrderedDict[int, Reader] = OrderedDict()
        first = open_reader(self.path / self._listing.names[0], bands=bands).description
        bits = BITS.get(first.dtype.name)
        if bits is None:
            raise Mistake(
                f"{path} has frames of the type {first.dtype}; those of a video are of 8 or 16 "
                "bits without a sign."
            )
        if not self._listing.stated:
            log.info(
                "%s does not say when its frames are shown: %d a second are taken; %s in it says "
                "others",
                path, USUAL_RATE, LISTING,
            )  # fmt: skip
        *times, end = self._listing.times
        colours = Colours(bits, FULL, matrix=RGB, primaries=UNSPECIFIED, transfer=UNSPECIFIED)
        geometry = VideoGeometry(
            tuple(times), end, TICK, colours, pixel_aspect=self._listing.pixel_aspect
        )
        self.description = Description(
            (len(times), *first.shape),
            (Axis("t", geometry.spacing, "s"), Axis("y"), Axis("x")),
            first.channels,
            geometry,
            colour_profile=first.colour_profile,
            exif=Exif(),
        )

    def __str__(self) -> str:
        return str(self.path)

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(FrameFolderReader, bands=self._bands), (str(self.path),)

    def read(self, window: Window) -> NDArray[np.float32]:
        """Read ``(C, *window)``.

        Raises a `Mistake` if the window is not inside the video, or if a frame is damaged. Also
        raises one if a frame differs from the first one in size, bands or type.
        """
        check_window(window, self.description.shape)
        times, *space = window
        numbers = range(times.start, times.stop)
        frames = [self._frame(number).read(tuple(space)) for number in numbers]
        return np.stack(frames, axis=1)

    def thumbnails(self) -> Iterator[NDArray[np.uint8]]:
        """Yield each frame as a small grey picture ``(H, W)``.

        Raises a `Mistake` if a frame is damaged.
        """
        count, height, width = self.description.shape
        rows, columns = map(min, (height, width), THUMBNAIL)
        brightest = np.iinfo(self.description.dtype).max
        for number in range(count):
            frame = self.read((slice(number, number + 1), slice(0, height), slice(0, width)))
            grey = np.nanmean(frame[:, 0], axis=0) * (255 / brightest)
            small = Image.fromarray(grey).resize((columns, rows), Image.Resampling.BOX)
            yield np.asarray(small).astype(np.uint8)

    def close(self) -> None:
        """Release the files."""
        while self._open_frames:
            self._open_frames.popitem()[1].close()

    def _frame(self, number: int) -> Reader:
        if number in self._open_frames:
            self._open_frames.move_to_end(number)
            return self._open_frames[number]
        frame = open_reader(self.path / self._listing.names[number], bands=self._bands)
        own, whole = frame.description, self.description
        if (own.shape, own.names, own.dtype) != (whole.shape[1:], whole.names, whole.dtype):
            raise Mistake(
                f"{frame} is {_in_words(own)}, and the first frame is {_in_words(whole)}: frames "
                "of a video are alike."
            )
        self._open_frames[number] = frame
        if len(self._open_frames) > OPEN_FRAMES:
            self._open_frames.popitem(last=False)[1].close()
        return frame


def _in_words(description: Description) -> str:
    height, width = description.shape[-2:]
    return f"{width} x {height} of {','.join(description.names)} in {description.dtype}"
