"""Terms that compare structure through Gaussian windows, in physical units."""

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
"""A power of two, so that the addition to a level above it is exactly zero."""


class SSIM(nn.Module):
    """One minus the structural similarity, from 0 to 2 (Wang et al. 2004, eq. 13).

    It is the mean over channels and over the windows that lie inside the image. Images are in
    physical units, so that the constants weigh as they do in the metric.

    The Gaussian has a sigma of 1.5 pixels, and `window` is the odd side at which it is cut off. It
    is one for all axes or one for each, for example ``[5, 11, 11]`` for five slices. Smaller images
    are a `Mistake`.

    Hidden pixels are equal in both images. A window of them alone counts as perfect, and a window
    at their border nearly so.
    """

    space = "physical"

    def __init__(self, *, window: int | Sequence[int] = 11) -> None:
        super().__init__()
        check_window(window)
        self.window = window

    def forward(self, sr: Tensor, hr: Tensor, context: Context) -> Tensor:
        """Compare images ``(B, C, *S)``: a scalar."""
        similarity, _ = ssim_map(sr, hr, data_range=context.data_range, window=self.window)
        return 1 - similarity.mean()


class MSSSIM(nn.Module):
    """One minus the structural similarity over several resolutions (Wang et al. 2003, eq. 7).

    It is the mean over images and channels of the product over levels, from 0 to 1. Images are in
    physical units.

    `levels` are the resolutions, each half as fine as the one before. The paper's 5 need images of
    176 pixels, 4 need 88. The weights of the finest levels are used, scaled to a sum of one.
    `window` is as in `SSIM`; an axis with a window of 1 is not shrunk.

    A level may be negative, where its root has no value. Below 1/16 it is replaced by a curve that
    stays positive and keeps rising. So the gradient is finite and never lost.

    Hidden pixels are equal in both images. A window of them alone counts as perfect, and a window
    at their border nearly so.
    """

    space = "physical"

    def __init__(self, *, levels: int = 4, window: int | Sequence[int] = 11) -> None:
        super().__init__()
        check_levels(levels)
        check_window(window)
        self.levels, self.window = levels, window

    def forward(self, sr: Tensor, hr: Tensor, context: Context) -> Tensor:
        """Compare images ``(B, C, *S)``: a scalar."""
        levels = ms_ssim_levels(
            sr, hr, data_range=context.data_range, levels=self.levels, window=self.window
        )
        return 1 - ms_ssim_product(_lifted(levels)).mean()


def _lifted(level: Tensor) -> Tensor:
    """Return `level` above the least value e, and ``e² / (2e - level)`` below it.

    Both meet at e with the same slope.
    """
    low = _LEAST_LEVEL**2 / (2 * _LEAST_LEVEL - level.clamp(max=_LEAST_LEVEL))
    return level.clamp(min=_LEAST_LEVEL) + (low - _LEAST_LEVEL)
