"""The times of a video's frames, found in one pass over its packets without decoding."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

from srlab.io.damage import damaged
from srlab.io.video.pyav import av
from srlab.mistakes import Mistake

Container = Any  # of PyAV
Stream = Any

REORDERING = ("h264", "hevc")
"""Codecs whose frames an AVI stores in another order than that of display, without their times."""


@dataclass(frozen=True)
class Frames:
    """The times of all frames of a video, in the order of display."""

    times: tuple[int, ...]
    """The time at which each frame is shown, in units of `time_base`."""

    end: int
    """The time at which the last frame ends."""

    time_base: Fraction
    """Seconds of a unit of time."""

    keys: tuple[int, ...]
    """The numbers of the keyframes, from which decoding can start."""

    counted: bool
    """Whether decoded frames must be counted, since packets do not tell their times."""

    def number(self, time: int | None) -> int | None:
        """Return the number of the frame that is shown at exactly this time, or None."""
        if time is None:
            return None
        number = bisect_left(self.times, time)
        if number < len(self.times) and self.times[number] == time:
            return number
        return None

    def starts(self, number: int) -> Iterator[int]:
        """Yield the frames from which to decode towards a frame, in the order to try them.

        These are up to three keyframes before it, the nearest first, and then the first frame.
        """
        if not self.counted:
            before = bisect_right(self.keys, number)
            yield from self.keys[max(before - 3, 0) : before][::-1]
        yield 0


def picture_stream(container: Container, path: str) -> Stream:
    """Return the first stream of moving pictures; a `Mistake` if there is none."""
    cover = av.stream.Disposition.attached_pic
    for stream in container.streams.video:
        if not stream.disposition & cover and stream.codec_context is not None:
            # After a fork, a decoder with threads would wait for ever for those of its parent.
            stream.codec_context.thread_count = 1
            return stream
    raise Mistake(f"{path} holds no video: give a file with moving pictures.")


def find_frames(container: Container, stream: Stream, path: str) -> Frames:
    """Read the times of all frames.

    Raises a `Mistake` if there are none, if some are missing, or if two have the same time.
    """
    count = 0
    shown: list[tuple[int | None, int, bool]] = []
    for packet in container.demux(stream):
        if packet.size:
            count += 1
            if not packet.is_discard:
                # Packets themselves are not kept: together they are as large as the file.
                shown.append((packet.pts, packet.duration or 0, packet.is_keyframe))
    if not shown or stream.frames > count:
        claimed = stream.frames or "there are some"
        raise damaged(path, f"{count} frames are there, and its header says {claimed}")
    disordered = container.format.name == "avi" and stream.codec_context.name in REORDERING
    if disordered or any(time is None for time, _, _ in shown):
        rate = stream.average_rate or Fraction(25)
        return Frames(tuple(range(len(shown))), len(shown), 1 / rate, (0,), counted=True)
    ordered = sorted((time or 0, duration, key) for time, duration, key in shown)
    times = tuple(time for time, _, _ in ordered)
    _check_order(times, path)
    keys = tuple(number for number, (_, _, key) in enumerate(ordered) if key)
    usual = times[-1] - times[-2] if len(times) > 1 else 1
    end = times[-1] + (ordered[-1][1] or usual)
    return Frames(times, end, stream.time_base, keys, counted=False)


def _check_order(times: tuple[int, ...], path: str) -> None:
    for number, (earlier, later) in enumerate(pairwise(times)):
        if earlier == later:
            raise Mistake(
                f"{path} shows frames {number} and {number + 1} at the same time: copy it into a "
                "new file with a constant frame rate first."
            )
