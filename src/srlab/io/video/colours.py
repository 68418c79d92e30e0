"""Conversion between the colours that a video stores, such as luma and chroma, and RGB."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from srlab.io.video.pyav import av
from srlab.mistakes import Mistake

RGB, UNSPECIFIED, BT709, BT601 = 0, 2, 1, 6
"""Codes of the matrices between RGB and luma with chroma (ITU-T H.273, table 4)."""

MATRICES = {BT709: 1, 4: 4, 5: 5, BT601: 5, 7: 7, 9: 9}
"""The matrices that can be converted, and the numbers of FFmpeg's swscale for them."""

LIMITED, FULL = 1, 2
"""Codes of the range of 8-bit luma: 16 to 235, or 0 to 255."""

LARGEST_SD = 576
"""The most rows of standard definition, for which players take BT.601 if the file does not say."""

_WAY = av.video.reformatter.Interpolation
CONVERSION = int(
    _WAY.BICUBIC
    | _WAY.FULL_CHR_H_INT
    | _WAY.FULL_CHR_H_INP
    | _WAY.ACCURATE_RND
    | _WAY.BITEXACT  # otherwise the last bit depends on the processor
)
"""The flags of swscale for the conversion of colours."""

Frame = Any  # of PyAV


@dataclass(frozen=True)
class Colours:
    """The meaning of a video's stored values: bits, and codes of ITU-T H.273."""

    bits: int
    """The bits of a channel of RGB: 8, or 16 if the video stores more than 8."""

    range: int
    """`LIMITED` or `FULL`."""

    matrix: int
    """`RGB`, or a key of `MATRICES`."""

    primaries: int
    transfer: int

    @classmethod
    def of(cls, frame: Frame, path: str) -> Colours:
        """Return the colours of a decoded frame; what it does not say is what players take.

        Raises a `Mistake` if the matrix cannot be converted.
        """
        matrix, range_ = frame.colorspace, frame.color_range
        if frame.format.is_rgb:
            matrix = RGB
        elif matrix in (UNSPECIFIED, RGB):
            matrix = usual_matrix(frame.height)
        if matrix != RGB and matrix not in MATRICES:
            raise Mistake(
                f"{path} has colours of the matrix {matrix} (ITU-T H.273), which cannot be "
                "converted: convert it to BT.709 or BT.2020 first."
            )
        if frame.format.name.startswith("yuvj"):  # an older way to state the full range
            range_ = FULL
        if range_ not in (LIMITED, FULL):
            range_ = FULL if matrix == RGB else LIMITED
        deepest = max(component.bits for component in frame.format.components)
        return cls(
            bits=8 if deepest <= 8 else 16,
            range=range_,
            matrix=matrix,
            primaries=frame.color_primaries,
            transfer=frame.color_trc,
        )

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of red, green and blue; they use its full range."""
        return np.dtype(np.uint8 if self.bits == 8 else np.uint16)

    def to_rgb(self, frame: Frame) -> NDArray[Any]:
        """Return the RGB values ``(H, W, 3)`` of a decoded frame."""
        converted = frame.reformat(
            format="rgb24" if self.bits == 8 else "rgb48le",
            src_colorspace=MATRICES.get(self.matrix),
            src_color_range=self.range,
            dst_color_range=FULL,
            interpolation=CONVERSION,
            threads=1,
        )
        rgb: NDArray[Any] = converted.to_ndarray()
        return rgb

    def from_rgb(self, rgb: NDArray[Any], kind: str) -> Frame:
        """Return RGB values ``(H, W, 3)`` as a frame in PyAV's format `kind`, for encoding."""
        frame = av.VideoFrame.from_ndarray(rgb, format="rgb24" if self.bits == 8 else "rgb48le")
        return frame.reformat(
            format=kind,
            src_color_range=FULL,
            dst_colorspace=MATRICES.get(self.matrix),
            dst_color_range=self.range,
            interpolation=CONVERSION,
            threads=1,
        )

    def with_luma(self, height: int) -> Colours:
        """Return the colours of a file that stores luma and chroma, of `height` rows."""
        if self.matrix != RGB:
            return self
        return replace(self, matrix=usual_matrix(height), range=LIMITED)

    def without_luma(self) -> Colours:
        """Return the colours of a file that stores red, green and blue."""
        return replace(self, matrix=RGB, range=FULL)


def usual_matrix(height: int) -> int:
    """Return the matrix that players take if a file does not say which."""
    return BT601 if height <= LARGEST_SD else BT709
