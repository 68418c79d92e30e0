"""The writer of videos, in blocks from any process, with the input's frame times and sound."""

from __future__ import annotations

import json
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from srlab.axes import Window
from srlab.files import replaced
from srlab.io.clipping import Clipping
from srlab.io.description import Description
from srlab.io.protocols import Provenance
from srlab.io.stored import to_stored
from srlab.io.video.encoding import ENCODINGS, Codec
from srlab.io.video.geometry import VideoGeometry
from srlab.io.video.muxing import check_sound, mux
from srlab.io.video.pyav import FREE_ROOM, pyav
from srlab.io.video.segments import Segment, begin, folder_of, remove, segments, sync
from srlab.io.windows import check_block
from srlab.mistakes import Mistake


class VideoWriter:
    """The writer of an mp4, mov or mkv, whose frames have the times of the input's frames.

    Sound is copied without decoding. The codecs h264 and h265 are lossy, and need even numbers of
    rows and columns; ffv1 is lossless. Integers are rounded to the nearest and clipped.

    Until `finish`, the frames lie in a folder beside `path`. They are encoded in segments, each as
    soon as all its blocks are there, so that the folder stays small.

    Raises a `Mistake` if a video cannot hold the image, or the format cannot hold the sound.
    """

    def __init__(
        self,
        path: Path,
        description: Description,
        *,
        provenance: Provenance,
        codec: Codec = "h264",
    ) -> None:
        self.path = path
        self._description = description
        self._provenance = provenance
        self._encoding = ENCODINGS[codec]
        self._geometry = _checked(path, description, codec)
        check_sound(path, self._geometry.source)
        self.clipping = Clipping(description.channels)
        self.chunks = (1, 1, 1)

    def prepare(self) -> None:
        """Begin the folder; a `FailedWrite` if the disk has no room for a segment."""
        begin(self._segments()[0])

    def resume(self) -> bool:
        """Go on with the segments that an ended process began, if there are any."""
        return folder_of(self.path).is_dir()

    def write(self, window: Window, array: NDArray[np.float32]) -> None:
        """Write ``(3, *window)``, and encode each segment that is now complete.

        Raises a `Mistake` if the window does not fit the file, or the array does not fit the
        window. Also raises one for a NaN.
        """
        check_block(window, array, 3, self._description.shape)
        self.clipping.count(array)
        dtype = self._description.dtype
        stored = to_stored(array, scale=1.0, offset=0.0, dtype=dtype, nodata=None)
        for segment in self._segments(window[0]):
            if segment.write(window, stored):
                self._encode(segment)

    def sync(self) -> None:
        """Have the disk hold all frames and segments that were written."""
        sync(self.path)

    def finish(self) -> None:
        """Join segments and sound, and give the file its name."""
        for segment in self._segments():
            if not segment.encoded.exists():
                self._encode(segment)
        provenance = json.dumps(self._provenance.tags() | self.clipping.tags, sort_keys=True)
        metadata = {**self._description.tags, "comment": provenance}
        with (
            pyav(f"{self.path} cannot be written", advice=FREE_ROOM),
            replaced(self.path, suffix=self.path.suffix) as unfinished,
        ):
            encoded = [segment.encoded for segment in self._segments()]
            mux(unfinished, encoded, self._geometry, metadata)
        self.clipping.report(self.path)
        self.discard()

    def discard(self) -> None:
        """Remove the folder."""
        remove(self.path)

    def _segments(self, frames: slice | None = None) -> list[Segment]:
        """Return the segments that hold some frames, or all segments."""
        whole = self._description
        frames = frames or slice(0, whole.shape[0])
        ending = self._encoding.container
        return list(segments(self.path, whole.shape, whole.dtype, ending, frames=frames))

    def _encode(self, segment: Segment) -> None:
        geometry = self._geometry
        with (
            pyav(f"{self.path} cannot be written", advice=FREE_ROOM),
            replaced(segment.encoded, suffix=self._encoding.container) as unfinished,
        ):
            self._encoding.encode(
                unfinished, segment.frames(), geometry.colours, geometry.pixel_aspect
            )
        segment.forget()


def _checked(path: Path, description: Description, codec: Codec) -> VideoGeometry:
    geometry = description.geometry
    if not isinstance(geometry, VideoGeometry):
        raise Mistake(
            f"{path} holds frames at their times, and the input tells none: write the format of "
            "the input."
        )
    names = [axis.name for axis in description.axes]
    dtypes = {channel.dtype for channel in description.channels}
    if names != ["t", "y", "x"] or len(description.channels) != 3:
        raise Mistake(
            f"{path} holds red, green and blue along t, y and x, and the output has "
            f"{', '.join(description.names)} along {', '.join(names)}."
        )
    if dtypes != {geometry.colours.dtype}:
        raise Mistake(
            f"{path} holds values of the type {geometry.colours.dtype}, and the output has "
            f"{', '.join(map(str, dtypes))}."
        )
    misfit = _misfit(codec, description.shape[1:], geometry.pixel_aspect)
    if misfit:
        other = _alternative(description.shape[1:], geometry.pixel_aspect)
        raise Mistake(f"{path} would have {misfit}: {other}.")
    return geometry


def _misfit(codec: Codec, shape: Sequence[int], aspect: Fraction) -> str:
    """Return what a codec cannot hold in frames ``(H, W)`` of such pixels; empty: it holds all."""
    height, width = shape
    encoding = ENCODINGS[codec]
    least = encoding.smallest
    if height < least[0] or width < least[1]:
        return f"{width} x {height} pixels, and {codec} needs {least[1]} x {least[0]} at least"
    if encoding.luma and (height % 2 or width % 2):
        return f"{width} x {height} pixels, and {codec} needs even numbers"
    if not encoding.notes_aspect and aspect != 1:
        return f"pixels {float(aspect):.4g} times as wide as high, which {codec} cannot note"
    return ""


def _alternative(shape: Sequence[int], aspect: Fraction) -> str:
    """Return what to write frames ``(H, W)`` of such pixels as, so that they fit."""
    if not _misfit("h264", shape, aspect):
        return "write it with codec=h264"
    if not _misfit("ffv1", shape, aspect):
        return "write .mkv with codec=ffv1, or crop the input"
    return "write a folder NAME.frames, or crop the input"
