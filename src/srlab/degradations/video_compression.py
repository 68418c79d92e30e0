"""The artefacts of video codecs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from srlab.axes import per_axis
from srlab.degradations.draws import Draws
from srlab.degradations.ranges import check_range
from srlab.mistakes import Mistake

BRIGHTEST = 512.0
"""A value that no 8-bit picture reaches, whatever an interpolation adds to it."""


@dataclass(frozen=True)
class Coder:
    """An encoder of FFmpeg, its decoder, and their options."""

    encoder: str
    decoder: str
    quality: tuple[str, ...]
    """The options that are set to a quality."""

    limits: tuple[int, int]
    """The numbers of the best and of the worst quality."""

    options: Mapping[str, str]
    smallest: tuple[int, int]
    """The smallest rows and columns of a frame; smaller frames are padded."""


CODERS: Mapping[str, Coder] = {
    "h264": Coder(
        "libx264",
        "h264",
        ("crf",),
        (0, 51),
        {"x264-params": "cpu-independent=1"},  # the same bytes everywhere
        (2, 2),
    ),
    "h265": Coder(
        "libx265",
        "hevc",
        ("crf",),
        (0, 51),
        {"x265-params": "log-level=none:pools=none:frame-threads=1"},
        (16, 64),  # below, libx265 refuses a frame or writes beyond its own memory (tried)
    ),
    "mpeg4": Coder("mpeg4", "mpeg4", ("qmin", "qmax"), (1, 31), {}, (2, 2)),
}


class VideoCompression:
    """Compresses clips by a video codec and decompresses them, without a change of size.

    Images are ``(B, 1 or 3, T, H, W)`` with values of 0 to 255, which are rounded and clamped. The
    chroma of colours is stored at half the rows and columns (4:2:0, BT.709). An image
    ``(B, 1 or 3, H, W)`` counts as a video of one frame, which no other frame predicts.

    Each clip draws one of `codecs`, all equally likely, and its quality from that codec's number or
    ``[low, high]``. Larger numbers are worse. They are the constant rate factor of h264 and
    h265, from 0 to 51, and the quantiser of mpeg4, from 1 to 31. RealBasicVSR (Chan et al. 2022)
    draws h264 or mpeg4, and bits per second, whose meaning for the quality depends on the size of
    a crop. Gradients pass through unchanged (straight-through estimator, Bengio et al. 2013).

    Raises a `Mistake` for other codecs, channels, axes or values, or if PyAV is not installed.
    """

    linear = False

    def __init__(
        self, *, codecs: Mapping[str, float | Sequence[float]], spatial_dims: int = 3
    ) -> None:
        if not codecs or not set(codecs) <= set(CODERS):
            raise Mistake(
                f"codecs are {', '.join(codecs) or 'none'}; name one or more of "
                f"{', '.join(CODERS)}, each with its quality."
            )
        self.scale = per_axis(1, spatial_dims)
        self.codecs = {
            name: check_range(name, quality, least=least, most=most)
            for name, quality in codecs.items()
            for least, most in [CODERS[name].limits]
        }

    def __call__(self, hr: Tensor, *, generator: torch.Generator) -> Tensor:
        """Compress ``(B, 1 or 3, T, H, W)`` or ``(B, 1 or 3, H, W)``."""
        if hr.ndim not in (4, 5) or hr.shape[1] not in (1, 3):
            raise Mistake(
                f"video compression got an array of shape {tuple(hr.shape)}; it takes (batch, 1 or "
                "3, T, H, W), or (batch, 1 or 3, H, W)."
            )
        pixels = hr.detach()
        if pixels.max() > BRIGHTEST:
            raise Mistake(
                f"video compression is for values of 0 to 255, and there are values of "
                f"{pixels.max():g}: choose a degradation without it, or files of 8 bits."
            )
        draws = Draws(generator)
        stored = pixels.round().clamp(0, 255).to("cpu", torch.uint8)
        clips = stored if hr.ndim == 5 else stored.unsqueeze(2)
        decoded = torch.stack([self._compressed(clip, draws) for clip in clips])
        return hr + (decoded.reshape(hr.shape).to(hr) - pixels)

    def _compressed(self, clip: Tensor, draws: Draws) -> Tensor:
        """Return ``(C, T, H, W)`` of uint8 after a round trip through a codec."""
        codec = draws.one_of([*self.codecs])
        quality = round(draws.uniform(self.codecs[codec]))
        frames = clip.permute(1, 2, 3, 0).expand(-1, -1, -1, 3).numpy()
        decoded = round_trip(frames, CODERS[codec], quality)
        return torch.from_numpy(decoded).permute(3, 0, 1, 2)[: len(clip)]


def round_trip(frames: NDArray[np.uint8], coder: Coder, quality: int) -> NDArray[np.uint8]:
    """Encode and decode frames ``(T, H, W, 3)``."""
    # PyAV is an extra, which only this degradation needs.
    from srlab.io.video.colours import BT709, LIMITED, Colours
    from srlab.io.video.pyav import av

    _, height, width, _ = frames.shape
    sides = zip((height, width), coder.smallest, strict=True)
    rows, columns = (max(size + size % 2, least) for size, least in sides)
    margins = [(0, 0), (0, rows - height), (0, columns - width), (0, 0)]
    enlarged = np.pad(frames, margins, mode="edge")
    colours = Colours(bits=8, range=LIMITED, matrix=BT709, primaries=BT709, transfer=BT709)
    encoder: Any = av.CodecContext.create(coder.encoder, "w")
    encoder.width, encoder.height, encoder.pix_fmt = columns, rows, "yuv420p"
    encoder.time_base, encoder.framerate, encoder.thread_count = STEP, 1 / STEP, 1
    encoder.options = dict.fromkeys(coder.quality, str(quality)) | dict(coder.options)
    decoder: Any = av.CodecContext.create(coder.decoder, "r")
    decoder.thread_count = 1
    packets = []
    for number, rgb in enumerate(enlarged):
        frame = colours.from_rgb(rgb, "yuv420p")
        frame.pts, frame.time_base = number, STEP
        packets += encoder.encode(frame)
    shown = []
    for packet in [*packets, *encoder.encode(None), None]:
        shown += [colours.to_rgb(frame) for frame in decoder.decode(packet)]
    return np.stack(shown)[:, :height, :width]


STEP = Fraction(1, 25)
"""Seconds from frame to frame; the quality of an encoder goes by it in part."""
