"""The time of each frame, the shape of its pixels and the meaning of its colours."""

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
class VideoGeometry:
    """The place of frames in time; their order is that in which they are shown.

    Frames stand upright. The turn that a file asks of its player is applied as it is read.
    """

    times: tuple[int, ...]
    """Of each frame, in units of `time_base`; they rise."""

    end: int
    """The time at which the last frame ends."""

    time_base: Fraction
    """Seconds."""

    colours: Colours

    pixel_aspect: Fraction = Fraction(1)
    """The width of a pixel over its height."""

    source: Path | None = None
    """The video from which an output takes its sound."""

    @property
    def ground(self) -> None:
        """None: a video does not say which place it shows."""

    @property
    def place(self) -> tuple[NDArray[np.float64], float]:
        """The time of each frame in thousands of seconds, and the shape of its pixels.

        Formats round times to a millisecond, as they round other places to a millionth.
        """
        seconds = [float(time * self.time_base) for time in self.times]
        return np.array(seconds) / 1000, float(self.pixel_aspect)

    @property
    def rate(self) -> Fraction:
        """Frames a second, on average."""
        duration = (self.end - self.times[0]) * self.time_base
        return (len(self.times) / duration).limit_denominator(100_000)

    @property
    def spacing(self) -> float | None:
        """Seconds from frame to frame; None where they vary by more than a unit of time."""
        steps = [later - earlier for earlier, later in pairwise((*self.times, self.end))]
        if max(steps) - min(steps) > 1:
            return None
        return float((self.end - self.times[0]) * self.time_base / len(steps))

    def part(self, frames: slice) -> VideoGeometry:
        """Return the geometry of some of the frames, without sound."""
        times = (*self.times, self.end)
        return replace(self, times=self.times[frames], end=times[frames.stop], source=None)

    def scaled(self, scale: Sequence[int]) -> VideoGeometry:
        """Return the same frames with more pixels; `scale` is for t, y and x.

        Raises a `Mistake` where there would be more frames, whose times nobody knows.
        """
        time, height, width = scale
        if time != 1:
            raise Mistake(
                f"the model makes {time} frames of each, and the times of a video are kept as they "
                "are: choose a model with scale (1, s, s), or one of pictures."
            )
        return replace(self, pixel_aspect=self.pixel_aspect * height / width)
