"""The parts of a video that are encoded independently."""

from __future__ import annotations

from collections.abc import Sequence

from srlab.axes import Window
from srlab.io.lossy import Lossy
from srlab.io.video.segments import FRAMES


def _segment(window: Window, shape: Sequence[int]) -> Window:
    """Return the segment of the first frame of a window."""
    start = window[0].start // FRAMES * FRAMES
    frames = slice(start, min(start + FRAMES, shape[0]))
    return (frames, *(slice(0, size) for size in shape[1:]))


SEGMENTS = Lossy("segments", "av", compared=_segment, encoded=_segment)
