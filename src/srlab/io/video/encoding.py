"""The codecs that videos are written with, and one segment of frames in one of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from numpy.typing import NDArray

from srlab.io.video.colours import Colours
from srlab.io.video.pyav import av

Codec = Literal["h264", "h265", "ffv1"]

SMALLEST_H265 = (16, 64)
"""Rows and columns below which libx265 refuses a frame, or writes beyond its own memory (tried)."""

STEP = Fraction(1, 25)
"""Seconds from frame to frame inside a segment; the true times are given as it is copied."""


@dataclass(frozen=True)
class Encoding:
    """An encoder and its settings.

    The bytes it makes must not depend on the machine, so the number of its threads is fixed.
    """

    encoder: str
    container: str
    """The ending of a segment's file, of a format that holds the encoder's headers."""

    formats: Mapping[int, str]
    """PyAV's format of the pixels, by bits of a channel."""

    options: Mapping[str, str]
    luma: bool = True
    """Whether luma and chroma are stored, and chroma at half the rows and columns."""

    smallest: tuple[int, int] = (1, 1)
    """Rows and columns at least."""

    def colours(self, colours: Colours, height: int) -> Colours:
        """Return the colours of what is stored."""
        return colours.with_luma(height) if self.luma else colours.without_luma()

    def encode(
        self, target: Path, frames: Iterable[NDArray[Any]], colours: Colours, aspect: Fraction
    ) -> None:
        """Write frames ``(H, W, 3)``; the decoding of a segment needs no other."""
        with av.open(str(target), "w", container_options={"fflags": "+bitexact"}) as container:
            stream: Any = container.add_stream(
                self.encoder, rate=1 / STEP, options=dict(self.options)
            )
            for number, rgb in enumerate(frames):
                stored = self.colours(colours, len(rgb))
                frame = stored.from_rgb(rgb, self.formats[colours.bits])
                if number == 0:
                    stream.height, stream.width = rgb.shape[:2]
                    stream.pix_fmt = self.formats[colours.bits]
                    context = stream.codec_context
                    context.sample_aspect_ratio = aspect
                    context.color_range, context.colorspace = stored.range, stored.matrix
                    context.color_primaries = stored.primaries
                    context.color_trc = stored.transfer
                frame.pts, frame.time_base = number, STEP
                container.mux(stream.encode(frame))
            container.mux(stream.encode())


ENCODINGS: Mapping[Codec, Encoding] = {
    "h264": Encoding(
        "libx264",
        ".mp4",
        {8: "yuv420p", 16: "yuv420p10le"},
        {
            "crf": "16",  # hardly to be told from what was given
            "threads": "4",
            # Otherwise two runs on one machine differ now and then (mbtree).
            "x264-params": "cpu-independent=1",
        },
    ),
    "h265": Encoding(
        "libx265",
        ".mp4",
        {8: "yuv420p", 16: "yuv420p10le"},
        {"crf": "18", "x265-params": "log-level=none:pools=4:frame-threads=2"},
        smallest=SMALLEST_H265,
    ),
    "ffv1": Encoding(
        "ffv1",
        ".nut",
        {8: "bgr0", 16: "rgb48le"},
        {"level": "3", "slices": "4", "slicecrc": "1", "g": "1", "threads": "1"},
        luma=False,
    ),
}
