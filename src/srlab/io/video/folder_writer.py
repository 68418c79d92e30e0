"""The writer of a video as a folder of frames, in blocks from any process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from srlab.axes import Window
from srlab.files import replaced_folder
from srlab.io.clipping import Clipping
from srlab.io.description import Description
from srlab.io.image.writer import ImageWriter
from srlab.io.protocols import Provenance
from srlab.io.stored import to_stored
from srlab.io.video.geometry import VideoGeometry
from srlab.io.video.listing import LISTING, TICK, Listing, written_listing
from srlab.io.video.segments import Segment, begin, folder_of, remove, sync
from srlab.io.windows import check_block
from srlab.mistakes import Mistake

SUFFIX = ".png"
"""The suffix of frames."""


class FrameFolderWriter:
    """The writer of a folder of PNG files, with a list of how long each frame is shown.

    Durations are rounded to microseconds, and the first frame is shown at time 0. FFmpeg can read
    the list: ``ffmpeg -i FOLDER/frames.ffconcat``. Sound is lost. Integers are rounded to the
    nearest and clipped.

    Until `finish`, the frames lie in a folder beside `path`. A frame is encoded as soon as all its
    blocks are there.

    Raises a `Mistake` if the input has no frame times, or a PNG cannot hold its values.
    """

    def __init__(self, path: Path, description: Description, *, provenance: Provenance) -> None:
        self.path = path
        self._description = description
        self._provenance = provenance
        self._geometry = _checked(path, description)
        self._frame_writer(Path(f"{path}{SUFFIX}"))  # raises for what a PNG cannot hold
        self.clipping = Clipping(description.channels)
        self.chunks = (1, 1, 1)

    def prepare(self) -> None:
        """Begin the folder; a `FailedWrite` if the disk has no room for a frame."""
        begin(self._frame(0))

    def resume(self) -> bool:
        """Go on with the frames that an ended process began, if there are any."""
        return folder_of(self.path).is_dir()

    def write(self, window: Window, array: NDArray[np.float32]) -> None:
        """Write ``(C, *window)``, and encode each frame that is now complete.

        Raises a `Mistake` if the window does not fit the video, or the array does not fit the
        window. Also raises one for a NaN.
        """
        check_block(window, array, len(self._description.channels), self._description.shape)
        self.clipping.count(array)
        dtype = self._description.dtype
        stored = to_stored(array, scale=1.0, offset=0.0, dtype=dtype, nodata=None)
        for number in range(window[0].start, window[0].stop):
            frame = self._frame(number)
            if frame.write(window, stored):
                self._encode(frame)

    def sync(self) -> None:
        """Have the disk hold all frames that were written."""
        sync(self.path)

    def finish(self) -> None:
        """Add the list, and give the folder its name."""
        for frame in self._frames():
            if not frame.encoded.exists():
                self._encode(frame)
        folder, listing = folder_of(self.path), self._listing()
        for file in folder.iterdir():
            if file.suffix != SUFFIX:
                file.unlink()
        text = written_listing(listing, self._comments())
        (folder / LISTING).write_text(text, encoding="utf-8")
        with replaced_folder(self.path) as unfinished:
            os.replace(folder, unfinished)
        self.clipping.report(self.path)
        self.discard()

    def discard(self) -> None:
        """Remove what was written so far."""
        remove(self.path)

    def _frames(self) -> Iterator[Segment]:
        yield from map(self._frame, range(self._description.shape[0]))

    def _frame(self, number: int) -> Segment:
        _, height, width = self._description.shape
        return Segment(
            self.path,
            number,
            (slice(number, number + 1), slice(0, height), slice(0, width)),
            self._description.dtype,
            SUFFIX,
            len(self._description.channels),
        )

    def _frame_writer(self, file: Path) -> ImageWriter:
        whole = self._description
        description = replace(whole, shape=whole.shape[1:], axes=whole.axes[1:], geometry=None)
        return ImageWriter(file, description, provenance=self._provenance)

    def _encode(self, frame: Segment) -> None:
        writer = self._frame_writer(frame.encoded)
        writer.prepare()
        for pixels in frame.frames():
            space = tuple(slice(0, size) for size in pixels.shape[:2])
            writer.write(space, pixels.transpose(2, 0, 1).astype(np.float32))
        writer.finish()
        frame.forget()

    def _listing(self) -> Listing:
        geometry = self._geometry
        names = [frame.encoded.name for frame in self._frames()]
        # Times are rounded, and not durations, whose errors would add up.
        shown = [round(time * geometry.time_base / TICK) for time in geometry.times]
        shown.append(round(geometry.end * geometry.time_base / TICK))
        durations = [later - earlier for earlier, later in pairwise(shown)]
        aspect = geometry.pixel_aspect
        return Listing(tuple(names), tuple(durations), stated=True, pixel_aspect=aspect)

    def _comments(self) -> list[str]:
        tags = self._provenance.tags() | self.clipping.tags
        return [f"{name}: {text}" for name, text in tags.items()]


def _checked(path: Path, description: Description) -> VideoGeometry:
    names = [axis.name for axis in description.axes]
    if not isinstance(description.geometry, VideoGeometry) or names != ["t", "y", "x"]:
        raise Mistake(
            f"{path} holds frames at their times, along t, y and x; the input has "
            f"{', '.join(names)} and is no video: write the format of the input."
        )
    return description.geometry
