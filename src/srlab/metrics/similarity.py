"""Metrics that compare the structure in small windows, and average over windows of valid pixels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from srlab.axes import per_axis
from srlab.metrics.masked import band_means
from srlab.metrics.precision import in_double
from srlab.metrics.protocol import ScoringContext
from srlab.mistakes import Mistake
from srlab.nn.masks import without_hidden
from srlab.nn.similarity import check_levels, check_window, ms_ssim_maps, ms_ssim_product, ssim_map


class SSIM:
    """Structural similarity in Gaussian windows (Wang et al. 2004, eq. 13).

    Images ``(B, C, *S)`` give ``(B,)``, from -1 to 1, which is perfect. It is the mean over
    channels and over all windows that lie inside the image, as in the authors' code. Windows with a
    hidden pixel are left out. The value is NaN if no window remains.

    The Gaussian has a standard deviation of 1.5 pixels. `window` is the odd side, in pixels, at
    which it is cut off. It is one number for all axes, or one for each axis. ``[1, 11, 11]``
    compares each frame of a video by itself.

    Raises a `Mistake` if the window is larger than the image, or one of its sides is even.
    """

    higher_is_better = True

    def __init__(self, *, window: int | Sequence[int] = 11) -> None:
        check_window(window)
        self.window = window

    def __call__(self, sr: Tensor, hr: Tensor, context: ScoringContext) -> Tensor:
        """Return the value of each image of a batch, ``(B,)``."""
        return self._compared(sr, hr, context, None)

    def among(self, sr: Tensor, hr: Tensor, context: ScoringContext, counted: Tensor) -> Tensor:
        """Return the value of each image over the windows in whose middle `counted` is true."""
        return self._compared(sr, hr, context, counted)

    def _compared(
        self, sr: Tensor, hr: Tensor, context: ScoringContext, counted: Tensor | None
    ) -> Tensor:
        sr = without_hidden(sr, context.valid)
        hr = without_hidden(hr, context.valid)
        similarity, _ = ssim_map(sr, hr, data_range=context.data_range, window=self.window)
        windows = _valid_windows(similarity, context.valid)
        if counted is not None:
            middles = _middles(similarity, counted)
            windows = middles if windows is None else windows & middles
        return band_means(similarity, windows).mean(dim=1)


class MSSSIM:
    """Multi-scale structural similarity (Wang et al. 2003, eq. 7).

    Images ``(B, C, *S)`` give ``(B,)``, from 0 to 1, which is perfect. It is the mean over the
    channels, each of which is the product of the similarities at several resolutions, the levels.
    Windows are as in `SSIM`. From one level to the next, the image is halved by averages of two
    pixels, along every axis whose window is larger than 1. A pixel of the halved image is valid if
    all pixels in its average are.

    With fewer than five `levels`, the weights of the finest levels are used, scaled to a sum of
    one. The paper raises levels to powers, which are not defined for negative numbers. So a level
    with a negative mean counts as zero.

    Raises a `Mistake` if the images are too small for the levels, or a side of the window is even.
    """

    higher_is_better = True

    def __init__(self, *, levels: int = 5, window: int | Sequence[int] = 11) -> None:
        check_levels(levels)
        check_window(window)
        self.levels = levels
        self.window = window

    def __call__(self, sr: Tensor, hr: Tensor, context: ScoringContext) -> Tensor:
        """Return the value of each image of a batch, ``(B,)``."""
        sides = per_axis(self.window, hr.ndim - 2, name="window")
        valid = context.valid
        sr = without_hidden(sr, valid)
        hr = without_hidden(hr, valid)
        maps = ms_ssim_maps(sr, hr, data_range=context.data_range, levels=self.levels, window=sides)
        means = []
        for level in maps:
            means.append(_window_mean(level, valid))
            valid = _halved(valid, sides)
        levels = torch.stack(means, dim=2).clamp(min=0)
        return ms_ssim_product(levels).mean(dim=1)


class UQI:
    """Universal image quality index, the Q index of pansharpening (Wang & Bovik 2002, eq. 1).

    Images x and y ``(B, C, *S)`` give ``(B,)``, from -1 to 1, which is perfect. In each window, the
    index is ``2 x̄ ȳ / (x̄² + ȳ²) · 2 cov(x, y) / (var x + var y)``. It is averaged over channels
    and over all windows that lie inside the image and hold no hidden pixel. The value is NaN if
    there is no such window. `window` is the side in pixels, one number for all axes or one for each
    axis.

    The index has no constants, so it does not depend on the data range. A factor is 0/0 where both
    images are constant or zero, and then counts as one.

    Raises a `Mistake` if the window is larger than the image.
    """

    higher_is_better = True

    def __init__(self, *, window: int | Sequence[int] = 8) -> None:
        check_window(window, odd=False)
        self.window = window

    def __call__(self, sr: Tensor, hr: Tensor, context: ScoringContext) -> Tensor:
        """Return the value of each image of a batch, ``(B,)``."""
        size = tuple(hr.shape[2:])
        sides = per_axis(self.window, len(size), name="window")
        if any(pixels < side for pixels, side in zip(size, sides, strict=True)):
            raise Mistake(
                f"UQI needs images of at least {sides} pixels; got {size}: set a smaller window."
            )
        # The variance is a small difference of large squares, which needs float64.
        x = in_double(sr)
        y = in_double(hr)
        sum_and_difference = torch.cat([x + y, x - y], dim=1)
        mean = _window_means(sum_and_difference, sides)
        square = _window_means(sum_and_difference.square(), sides)
        variance = (square - mean.square()).clamp(min=0)
        # In a constant window, only rounding is left of the variance.
        variance = torch.where(variance <= 1e-12 * square, 0.0, variance)

        quality = _agreement(mean.square()) * _agreement(variance)
        return _window_mean(quality, context.valid).mean(dim=1).to(hr.dtype)


def _agreement(sum_and_difference: Tensor) -> Tensor:
    """Return ``2xy / (x² + y²)`` from ``(x + y)²`` and ``(x - y)²``, stacked along the channels.

    From the variances of ``x + y`` and ``x - y`` it is ``2 cov(x, y) / (var x + var y)``.
    """
    plus, minus = sum_and_difference.chunk(2, dim=1)
    both = plus + minus
    return torch.where(both == 0, 1.0, (plus - minus) / both)


def _window_means(image: Tensor, sides: Sequence[int]) -> Tensor:
    """Return the mean of each window inside ``(B, C, *S)``: ``(B, C, *(S - side + 1))``."""
    for axis, side in enumerate(sides, start=2):
        image = image.unfold(axis, side, 1).mean(dim=-1)
    return image


def _window_mean(values: Tensor, valid: Tensor | None) -> Tensor:
    """Average ``(B, C, *windows)`` over the windows of valid pixels alone: ``(B, C)``."""
    return band_means(values, _valid_windows(values, valid))


def _valid_windows(values: Tensor, valid: Tensor | None) -> Tensor | None:
    """Return a mask ``(B, 1, *windows)``: true if all pixels of a window are valid.

    `values` ``(B, C, *windows)`` tells the number of windows. None means that all are valid.
    """
    if valid is not None:
        for axis in range(2, valid.ndim):
            side = valid.shape[axis] - values.shape[axis] + 1
            valid = valid.unfold(axis, side, 1).all(dim=-1)
    return valid


def _middles(values: Tensor, counted: Tensor) -> Tensor:
    """Return the mask `counted` in the middle of each window of ``(B, C, *windows)``."""
    for axis in range(2, counted.ndim):
        side = counted.shape[axis] - values.shape[axis] + 1
        counted = counted.narrow(axis, side // 2, values.shape[axis])
    return counted


def _halved(valid: Tensor | None, sides: Sequence[int]) -> Tensor | None:
    """Halve a mask along axes with a window above 1: both pixels of a pair must be valid.

    An odd last pixel is dropped.
    """
    if valid is not None:
        for axis, side in enumerate(sides, start=2):
            if side > 1:
                valid = valid.unfold(axis, 2, 2).all(dim=-1)
    return valid
