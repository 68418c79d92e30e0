"""The codecs in which videos are written, and the encoding of a segment of frames."""

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
"""The fewest rows and columns for libx265; below, it fails or overruns its memory (tried)."""

STEP = Fraction(1, 25)
"""Seconds from frame to frame in a segment; copying it into the video sets the true times."""


@dataclass(frozen=True)
class Encoding:
    """An encoder and its settings.

    The encoded bytes must not depend on the machine, so the number of threads is fixed.
    """

    encoder: str
    """FFmpeg's name of the encoder."""

    container: str
    """The suffix of a segment's file; the format must hold the headers of the encoder."""

    formats: Mapping[int, str]
    """FFmpeg's format of the pixels, for 8 and for 16 bits of a channel."""

    options: Mapping[str, str]
    """FFmpeg's options of the encoder."""

    luma: bool = True
    """Whether luma and chroma are stored, with chroma at half the rows and columns."""

    notes_aspect: bool = True
    """Whether its headers hold the shape of pixels; PyAV gives it to no container."""

    smallest: tuple[int, int] = (1, 1)
    """The fewest rows and columns of a frame."""

    def colours(self, colours: Colours, height: int) -> Colours:
        """Return the colours as this encoder stores them, for frames of `height` rows."""
        return colours.with_luma(height) if self.luma else colours.without_luma()

    def encode(
        self, target: Path, frames: Iterable[NDArray[Any]], colours: Colours, aspect: Fraction
    ) -> None:
        """Write frames ``(H, W, 3)`` as a segment, which can be decoded without any other.

        `aspect` is the width of a pixel over its height.
        """
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
                    _describe(stream.codec_context, stored, aspect)
                frame.pts, frame.time_base = number, STEP
                container.mux(stream.encode(frame))
            container.mux(stream.encode())


def _describe(context: Any, stored: Colours, aspect: Fraction) -> None:
    """Set the colours and the shape of pixels that the encoder notes in its headers."""
    context.sample_aspect_ratio = aspect
    context.color_range, context.colorspace = stored.range, stored.matrix
    context.color_primaries, context.color_trc = stored.primaries, stored.transfer


ENCODINGS: Mapping[Codec, Encoding] = {
    "h264": Encoding(
        "libx264",
        ".mp4",
        {8: "yuv420p", 16: "yuv420p10le"},
        {
            "crf": "16",  # visually lossless
            "threads": "4",
            # Otherwise two runs on one machine sometimes differ (mbtree).
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
        notes_aspect=False,
    ),
}
