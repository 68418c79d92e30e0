"""Structural similarity in Gaussian windows, as loss terms in physical units."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from srlab.losses.context import Context
from srlab.nn.similarity import (
    check_levels,
    check_window,
    ms_ssim_levels,
    ms_ssim_product,
    ssim_map,
)

_LEAST_LEVEL = 1 / 16
"""The similarity below which a level of MS-SSIM is replaced by a curve that stays positive.

It is a power of two, so levels above it stay the same to the last bit.
"""


class SSIM(nn.Module):
    """One minus the structural similarity, from 0 to 2 (Wang et al. 2004, eq. 13).

    The similarity is averaged over images, channels, and all windows that lie inside the image.
    Images ``(B, C, *S)`` are in physical units, so the constants of SSIM weigh as in the metric.

    The window is a Gaussian with a standard deviation of 1.5 pixels. `window` is the odd side, in
    pixels, at which it is cut off. It is one number for all axes, or one for each axis. For example
    ``[5, 11, 11]`` looks at five slices at a time.

    Hidden pixels are equal in both images. A window that holds hidden pixels alone has a similarity
    of 1, and a window at the border of the hidden area nearly so.

    Raises a `Mistake` if the window is larger than the image, or one of its sides is even.
    """

    space = "physical"

    def __init__(self, *, window: int | Sequence[int] = 11) -> None:
        super().__init__()
        check_window(window)
        self.window = window

    def forward(self, sr: Tensor, hr: Tensor, context: Context) -> Tensor:
        """Return one minus the mean similarity, as a scalar."""
        similarity, _ = ssim_map(sr, hr, data_range=context.data_range, window=self.window)
        return 1 - similarity.mean()


class MSSSIM(nn.Module):
    """One minus the multi-scale structural similarity, from 0 to 1 (Wang et al. 2003, eq. 7).

    The similarity is the product of its values at several resolutions, the levels. It is averaged
    over images and channels. Images ``(B, C, *S)`` are in physical units.

    `levels` is the number of resolutions. Each has half as many pixels a side as the one before.
    With the default window, the paper's 5 levels need images of 176 pixels a side, and 4 levels
    need 88. The weights of the finest levels are used, scaled to a sum of one. `window` is as in
    `SSIM`. An axis with a window of 1 is not halved.

    The paper raises each level to a power, which is not defined for negative levels. So a level
    below 1/16 is replaced by a curve that stays positive and keeps rising. Its gradient is finite
    and never zero.

    Hidden pixels are equal in both images. A window that holds hidden pixels alone has a similarity
    of 1, and a window at the border of the hidden area nearly so.

    Raises a `Mistake` if the images are too small for the levels, or a side of the window is even.
    """

    space = "physical"

    def __init__(self, *, levels: int = 4, window: int | Sequence[int] = 11) -> None:
        super().__init__()
        check_levels(levels)
        check_window(window)
        self.levels = levels
        self.window = window

    def forward(self, sr: Tensor, hr: Tensor, context: Context) -> Tensor:
        """Return one minus the mean similarity, as a scalar."""
        levels = ms_ssim_levels(
            sr, hr, data_range=context.data_range, levels=self.levels, window=self.window
        )
        similarity = ms_ssim_product(_made_positive(levels))
        return 1 - similarity.mean()


def _made_positive(level: Tensor) -> Tensor:
    """Return `level` itself above e = 1/16, and ``e² / (2e - level)`` below it.

    Both curves have the same value and the same slope at e.
    """
    curve = _LEAST_LEVEL**2 / (2 * _LEAST_LEVEL - level.clamp(max=_LEAST_LEVEL))
    # The curve equals e for levels above e, so the addition is exactly zero there.
    return level.clamp(min=_LEAST_LEVEL) + (curve - _LEAST_LEVEL)
