"""The place of a video's frames in time, with the shape and the colours of its pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from srlab.io.video.colours import Colours
from srlab.mistakes import Mistake


@dataclass(frozen=True)
class VideoPlace:
    """The part of a video's place that every format keeps, to a relative precision of 1e-6."""

    frame_times_in_1000_s: NDArray[np.float64]
    """Some formats round times to 1 ms, which is 1e-6 in this unit."""

    pixel_aspect: float


@dataclass(frozen=True)
class VideoGeometry:
    """The place of frames in time, in the order of display.

    Frames are upright: the reader has applied the rotation that the file asks of a player.
    """

    times: tuple[int, ...]
    """The time at which each frame is shown, in units of `time_base`; they increase."""

    end: int
    """The time at which the last frame ends."""

    time_base: Fraction
    """Seconds of a unit of time."""

    colours: Colours

    pixel_aspect: Fraction = Fraction(1)
    """The width of a pixel over its height."""

    source: Path | None = None
    """The video whose sound an output gets."""

    @property
    def ground(self) -> None:
        """None, since a video does not tell which place it shows."""

    @property
    def place(self) -> VideoPlace:
        """The time of each frame, and the aspect ratio of pixels."""
        seconds = [float(time * self.time_base) for time in self.times]
        return VideoPlace(np.array(seconds) / 1000, float(self.pixel_aspect))

    @property
    def rate(self) -> Fraction:
        """Frames per second, on average."""
        duration = (self.end - self.times[0]) * self.time_base
        return (len(self.times) / duration).limit_denominator(100_000)

    @property
    def spacing(self) -> float | None:
        """Seconds from frame to frame; None if they vary by more than a unit of time."""
        steps = [later - earlier for earlier, later in pairwise((*self.times, self.end))]
        if max(steps) - min(steps) > 1:
            return None
        return float((self.end - self.times[0]) * self.time_base / len(steps))

    def part(self, frames: slice) -> VideoGeometry:
        """Return the geometry of some of the frames, without sound."""
        times = (*self.times, self.end)
        return replace(self, times=self.times[frames], end=times[frames.stop], source=None)

    def scaled(self, scale: Sequence[int]) -> VideoGeometry:
        """Return the geometry of frames with more pixels; `scale` is for t, y and x.

        Raises a `Mistake` if there would be more frames, whose times would be unknown.
        """
        time, height, width = scale
        if time != 1:
            raise Mistake(
                f"the model makes {time} frames of each, and the times of a video are kept as they "
                "are: choose a model with scale (1, s, s), or one of pictures."
            )
        return replace(self, pixel_aspect=self.pixel_aspect * height / width)
