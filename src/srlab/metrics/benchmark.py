"""The evaluation protocol of the published super-resolution benchmarks."""

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

    SR is rounded to whole numbers from 0 to 255. Colours are converted to the luma Y of BT.601, as
    in MATLAB's ``rgb2ycbcr``. A border is left out (Lim et al. 2017, §4). Images have 8 bits and
    three channels (red, green, blue), or one, which is taken as Y.

    `round_luma` also rounds Y, as MATLAB does for 8-bit images. Most Python toolboxes do not, which
    changes PSNR by about 0.02 dB. `border` is in HR pixels, one for all axes or one for each. With
    null it is the scale, along axes whose scale is above 1.
    """

    def __init__(
        self, *, metric: Metric, border: int | Sequence[int] | None = None, round_luma: bool = True
    ) -> None:
        self.metric, self.border, self.round_luma = metric, border, round_luma
        self.higher_is_better = metric.higher_is_better
        self.unit = metric.unit if isinstance(metric, InUnit) else ""

    def __call__(
        self, sr: Tensor, hr: Tensor, context: ScoringContext
    ) -> Tensor | dict[str, Tensor]:
        """Compare each image of a batch; the wrapped metric sees one channel, Y."""
        if context.data_range != 255 or hr.shape[1] not in (1, 3):
            raise Mistake(
                "the benchmarks' protocol is for 8-bit images of 1 or 3 channels (red, green, "
                f"blue), of data range 255; got {hr.shape[1]} channels of data range "
                f"{context.data_range:g}. Use the metric without it."
            )
        sr, hr = self._luma(_rounded(sr).clamp(0, 255)), self._luma(hr)
        border = self._border(hr, context.scale)
        valid = context.valid
        if valid is not None:
            valid = _shaved(valid, border)
        inner = dataclasses.replace(context, valid=valid, channel_names=("Y",))
        return self.metric(_shaved(sr, border), _shaved(hr, border), inner)

    def pooled(self, values: Tensor) -> Tensor:
        """The wrapped metric's value for the mean squared error of several images."""
        return overall(self.metric, values, pool=True)

    def _border(self, hr: Tensor, scale: Sequence[int]) -> tuple[int, ...]:
        """HR pixels to leave out at both ends of each axis."""
        size = tuple(hr.shape[2:])
        if self.border is None:
            border = tuple(factor if factor > 1 else 0 for factor in scale)
        elif self.border == 0:
            border = (0,) * len(size)
        else:
            border = per_axis(self.border, len(size))
        if any(pixels <= 2 * rim for pixels, rim in zip(size, border, strict=True)):
            raise Mistake(
                f"nothing of an image of {size} is left inside a border of {border}; set a smaller "
                "one."
            )
        return border

    def _luma(self, image: Tensor) -> Tensor:
        if image.shape[1] == 1:
            return image
        red, green, blue = image.chunk(3, dim=1)
        luma = 16 + (65.481 * red + 128.553 * green + 24.966 * blue) / 255
        if self.round_luma:
            return _rounded(luma)
        return luma


def _rounded(image: Tensor) -> Tensor:
    """The nearest whole numbers, halves up."""
    return torch.floor(image + 0.5)


def _shaved(image: Tensor, border: Sequence[int]) -> Tensor:
    for axis, rim in enumerate(border, start=2):
        image = image.narrow(axis, rim, image.shape[axis] - 2 * rim)
    return image
