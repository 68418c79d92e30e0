"""The colours of a video: what its luma and chroma mean in red, green and blue."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from srlab.io.video.pyav import av
from srlab.mistakes import Mistake

RGB, UNSPECIFIED, BT709, BT601 = 0, 2, 1, 6
"""Codes of matrices (ITU-T H.273, table 4)."""

MATRICES = {BT709: 1, 4: 4, 5: 5, BT601: 5, 7: 7, 9: 9}
"""The codes that can be converted, and swscale's own numbers for them."""

LIMITED, FULL = 1, 2
"""Codes of ranges: luma from 16 to 235 of 8 bits, or from 0 to 255."""

LARGEST_SD = 576
"""Rows of a picture of standard definition at most, for which BT.601 is meant where nothing is."""

_WAY = av.video.reformatter.Interpolation
CONVERSION = int(
    _WAY.BICUBIC
    | _WAY.FULL_CHR_H_INT
    | _WAY.FULL_CHR_H_INP
    | _WAY.ACCURATE_RND
    | _WAY.BITEXACT  # otherwise the last bit depends on the processor
)

Frame = Any  # of PyAV


@dataclass(frozen=True)
class Colours:
    """The codes of ITU-T H.273, and the bits of a channel: 8, or 16 for all that have more."""

    bits: int
    range: int
    matrix: int
    primaries: int
    transfer: int

    @classmethod
    def of(cls, frame: Frame, path: str) -> Colours:
        """Return those of a decoded frame; what it does not say is as players take it.

        Raises a `Mistake` if the matrix is one that cannot be converted.
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
        if frame.format.name.startswith("yuvj"):  # an older way to say so
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
        """The type of red, green and blue, whose whole range is used."""
        return np.dtype(np.uint8 if self.bits == 8 else np.uint16)

    def to_rgb(self, frame: Frame) -> NDArray[Any]:
        """Return ``(H, W, 3)`` of a decoded frame."""
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
        """Return a frame of PyAV's format `kind`, to be encoded, of ``(H, W, 3)``."""
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
        """Return those of a file that stores luma and chroma, whatever the input stores."""
        if self.matrix != RGB:
            return self
        return replace(self, matrix=usual_matrix(height), range=LIMITED)

    def without_luma(self) -> Colours:
        """Return those of a file that stores red, green and blue."""
        return replace(self, matrix=RGB, range=FULL)


def usual_matrix(height: int) -> int:
    """Return the matrix that players take where a file does not say which."""
    return BT601 if height <= LARGEST_SD else BT709
