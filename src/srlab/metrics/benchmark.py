"""The evaluation protocol of the published super-resolution benchmarks, for any metric."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import torch
from torch import Tensor

from srlab.axes import per_axis
from srlab.metrics.protocol import InUnit, Metric, ScoringContext
from srlab.metrics.scoring import overall
from srlab.mistakes import Mistake


class Benchmark:
    """Applies another metric by the protocol of Set5, Set14, BSD100, Urban100 and Manga109.

    The protocol has three steps (Lim et al. 2017, §4):

    1. SR is rounded to whole numbers from 0 to 255.
    2. Colours are converted to the luma Y of BT.601, as by MATLAB's ``rgb2ycbcr``. If `round_luma`
       is true, Y is rounded, as MATLAB does for 8-bit images. Most Python toolboxes do not round
       it, which changes PSNR by about 0.02 dB.
    3. A border of `border` HR pixels is left out: one number for all axes, or one for each axis. If
       it is None, the border is as wide as the scale, along axes whose scale is above 1.

    Images are ``(B, C, *S)`` of 8 bits. They have three channels (red, green and blue), or one,
    which counts as Y. Values are those of the wrapped `metric`.

    Raises a `Mistake` for other images, and for a border that leaves nothing of the image.
    """

    def __init__(
        self, *, metric: Metric, border: int | Sequence[int] | None = None, round_luma: bool = True
    ) -> None:
        self.metric = metric
        self.border = border
        self.round_luma = round_luma
        self.higher_is_better = metric.higher_is_better
        self.unit = metric.unit if isinstance(metric, InUnit) else ""

    def __call__(
        self, sr: Tensor, hr: Tensor, context: ScoringContext
    ) -> Tensor | dict[str, Tensor]:
        """Return the wrapped metric's value for the luma Y of each image of a batch."""
        if context.data_range != 255 or hr.shape[1] not in (1, 3):
            raise Mistake(
                "the benchmarks' protocol is for 8-bit images of 1 or 3 channels (red, green, "
                f"blue), of data range 255; got {hr.shape[1]} channels of data range "
                f"{context.data_range:g}. Use the metric without it."
            )
        stored_sr = _rounded(sr).clamp(0, 255)
        sr_luma = self._luma(stored_sr)
        hr_luma = self._luma(hr)

        border = self._border(hr, context.scale)
        valid = context.valid
        if valid is not None:
            valid = _cropped(valid, border)
        inner = dataclasses.replace(context, valid=valid, channel_names=("Y",))
        return self.metric(_cropped(sr_luma, border), _cropped(hr_luma, border), inner)

    def pooled(self, values: Tensor) -> Tensor:
        """Return the wrapped metric's value for the mean squared error of several images."""
        return overall(self.metric, values, pool=True)

    def _border(self, hr: Tensor, scale: Sequence[int]) -> tuple[int, ...]:
        """Return the number of HR pixels to leave out at both ends of each axis."""
        size = tuple(hr.shape[2:])
        if self.border is None:
            border = tuple(factor if factor > 1 else 0 for factor in scale)
        elif self.border == 0:
            border = (0,) * len(size)
        else:
            border = per_axis(self.border, len(size))
        if any(pixels <= 2 * margin for pixels, margin in zip(size, border, strict=True)):
            raise Mistake(
                f"nothing of an image of {size} is left inside a border of {border}; set a smaller "
                "one."
            )
        return border

    def _luma(self, image: Tensor) -> Tensor:
        """Return the luma ``(B, 1, *S)`` of BT.601, from 16 to 235."""
        if image.shape[1] == 1:
            return image
        red, green, blue = image.chunk(3, dim=1)
        luma = 16 + (65.481 * red + 128.553 * green + 24.966 * blue) / 255
        if self.round_luma:
            return _rounded(luma)
        return luma


def _rounded(image: Tensor) -> Tensor:
    """Round to the nearest whole numbers, and halves up."""
    return torch.floor(image + 0.5)


def _cropped(image: Tensor, border: Sequence[int]) -> Tensor:
    """Return the image without its border."""
    for axis, margin in enumerate(border, start=2):
        inner = image.shape[axis] - 2 * margin
        image = image.narrow(axis, margin, inner)
    return image
