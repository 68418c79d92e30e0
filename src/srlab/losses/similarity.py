"""Terms that compare structure through Gaussian windows, in physical units."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from srlab.losses.context import Context
from srlab.nn.similarity import ms_ssim_levels, ms_ssim_product, ssim_map

_LEAST_LEVEL = 1 / 16  # a power of two, so that what is added above it is exactly zero


class SSIM(nn.Module):
    """One minus the structural similarity, from 0 to 2 (Wang et al. 2004, eq. 13).

    The mean over channels and windows inside the image, in physical units with the data's `data_range`: its constants
    then weigh as they do in the metric. `window` is the odd side in pixels at which the Gaussian of sigma 1.5 is cut
    off, one for all axes or one for each, as ``[5, 11, 11]`` for five slices; smaller images are refused. Hidden
    pixels are equal in both images: windows of them alone count as perfect, those at their border nearly so.
    """

    space = "physical"

    def __init__(self, *, window: int | Sequence[int] = 11) -> None:
        super().__init__()
        self.window = window

    def forward(self, sr: Tensor, hr: Tensor, context: Context) -> Tensor:
        """Compare images ``(B, C, *S)``: a scalar."""
        similarity, _ = ssim_map(sr, hr, data_range=context.data_range, window=self.window)
        return 1 - similarity.mean()


class MSSSIM(nn.Module):
    """One minus the structural similarity over several resolutions, from 0 to 1 (Wang et al. 2003, eq. 7).

    The mean over images and channels of the product over levels, through windows inside the image, in physical units
    with the data's `data_range`. `levels` are the resolutions, each half as fine as the one before: the paper's 5 need
    images of 176 pixels, 4 need 88; the weights of the finest are rescaled to a sum of one. `window` is as in SSIM; an
    axis with a window of 1 is not shrunk. A level's similarity may be negative, where a root has no value: below 1/16
    it is replaced by a curve that stays positive and keeps rising, so that the gradient is finite and never lost.
    Hidden pixels are equal in both images: windows of them alone count as perfect, those at their border nearly so.
    """

    space = "physical"

    def __init__(self, *, levels: int = 4, window: int | Sequence[int] = 11) -> None:
        super().__init__()
        self.levels, self.window = levels, window

    def forward(self, sr: Tensor, hr: Tensor, context: Context) -> Tensor:
        """Compare images ``(B, C, *S)``: a scalar."""
        levels = ms_ssim_levels(
            sr, hr, data_range=context.data_range, levels=self.levels, window=self.window
        )
        return 1 - ms_ssim_product(_lifted(levels)).mean()


def _lifted(level: Tensor) -> Tensor:
    """Return `level` above a least value e, and below it e² / (2e - level), which meets it with the same slope."""
    low = _LEAST_LEVEL**2 / (2 * _LEAST_LEVEL - level.clamp(max=_LEAST_LEVEL))
    return level.clamp(min=_LEAST_LEVEL) + (low - _LEAST_LEVEL)
