"""Metrics of local structure, averaged over windows in which all pixels are valid."""

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
    """Structural similarity, with a Gaussian window of sigma 1.5 (Wang et al. 2004, eq. 13).

    Images ``(B, C, *S)`` to ``(B,)``: the mean over channels and over the windows that lie inside
    the image, as in the authors' code. Windows with a hidden pixel are left out. An image without
    any window is NaN.

    `window` is the odd side in pixels, one for all axes or one for each. ``[1, 11, 11]`` compares
    each frame of a video by itself.
    """

    higher_is_better = True

    def __init__(self, *, window: int | Sequence[int] = 11) -> None:
        check_window(window)
        self.window = window

    def __call__(self, sr: Tensor, hr: Tensor, context: ScoringContext) -> Tensor:
        """Compare each image of a batch over its whole windows."""
        return self._compared(sr, hr, context, None)

    def among(self, sr: Tensor, hr: Tensor, context: ScoringContext, counted: Tensor) -> Tensor:
        """Compare over the whole windows whose middle pixel counts."""
        return self._compared(sr, hr, context, counted)

    def _compared(
        self, sr: Tensor, hr: Tensor, context: ScoringContext, counted: Tensor | None
    ) -> Tensor:
        sr, hr = without_hidden(sr, context.valid), without_hidden(hr, context.valid)
        similarity, _ = ssim_map(sr, hr, data_range=context.data_range, window=self.window)
        whole = _whole_windows(similarity, context.valid)
        if counted is not None:
            middles = _middles(similarity, counted)
            whole = middles if whole is None else whole & middles
        return band_means(similarity, whole).mean(dim=1)


class MSSSIM:
    """Multi-scale structural similarity (Wang et al. 2003, eq. 7), each channel by itself.

    Images ``(B, C, *S)`` to ``(B,)``, the mean over channels; windows are as in `SSIM`. Each level
    halves the image by averages of two pixels, along every axis whose window is larger than 1. A
    halved pixel is valid if all that made it are.

    With fewer than five `levels`, the weights of the finest ones are used, scaled to a sum of one.
    A level with a negative mean counts as zero, since it has no real root.
    """

    higher_is_better = True

    def __init__(self, *, levels: int = 5, window: int | Sequence[int] = 11) -> None:
        check_levels(levels)
        check_window(window)
        self.levels, self.window = levels, window

    def __call__(self, sr: Tensor, hr: Tensor, context: ScoringContext) -> Tensor:
        """Compare each image of a batch over its whole windows."""
        sides = per_axis(self.window, hr.ndim - 2, name="window")
        valid = context.valid
        sr, hr = without_hidden(sr, valid), without_hidden(hr, valid)
        maps = ms_ssim_maps(sr, hr, data_range=context.data_range, levels=self.levels, window=sides)
        factors = []
        for level in maps:
            factors.append(_window_mean(level, valid))
            valid = _halved(valid, sides)
        return ms_ssim_product(torch.stack(factors, dim=2).clamp(min=0)).mean(dim=1)


class UQI:
    """Universal image quality index, or Q index of pansharpening (Wang & Bovik 2002, eq. 2).

    Images ``(B, C, *S)`` to ``(B,)``: the mean over channels and over all windows that lie inside
    the image and hold no hidden pixel. An image without any is NaN. `window` is the side in pixels,
    one for all axes or one for each.

    It has no constants, so it does not depend on a data range. A factor of 0/0, where both images
    are constant or zero, counts as one.
    """

    higher_is_better = True

    def __init__(self, *, window: int | Sequence[int] = 8) -> None:
        check_window(window, odd=False)
        self.window = window

    def __call__(self, sr: Tensor, hr: Tensor, context: ScoringContext) -> Tensor:
        """Compare each image of a batch over its whole windows."""
        size = tuple(hr.shape[2:])
        sides = per_axis(self.window, len(size), name="window")
        if any(pixels < side for pixels, side in zip(size, sides, strict=True)):
            raise Mistake(
                f"UQI needs images of at least {sides} pixels; got {size}: set a smaller window."
            )
        # In float64, since a variance is a small difference of large squares.
        first, second = in_double(sr), in_double(hr)
        images = torch.cat([first + second, first - second], dim=1)
        mean, square = _window_means(images, sides), _window_means(images.square(), sides)
        variance = (square - mean.square()).clamp(min=0)
        # In a constant window, only rounding is left of the variance.
        variance = torch.where(variance <= 1e-12 * square, 0.0, variance)
        quality = _agreement(mean.square()) * _agreement(variance)
        return _window_mean(quality, context.valid).mean(dim=1).to(hr.dtype)


def _agreement(of_sum_and_difference: Tensor) -> Tensor:
    """``2xy / (x² + y²)`` from ``(x + y)²`` and ``(x - y)²``, stacked along the channels.

    From the variances of sum and difference it is ``2 cov / (var x + var y)``.
    """
    plus, minus = of_sum_and_difference.chunk(2, dim=1)
    return torch.where(plus + minus == 0, 1.0, (plus - minus) / (plus + minus))


def _window_means(image: Tensor, sides: Sequence[int]) -> Tensor:
    """Means of each window inside ``(B, C, *S)``: ``(B, C, *(S - side + 1))``."""
    for axis, side in enumerate(sides, start=2):
        image = image.unfold(axis, side, 1).mean(dim=-1)
    return image


def _window_mean(values: Tensor, valid: Tensor | None) -> Tensor:
    """Average ``(B, C, *windows)`` over the windows that hold valid pixels alone: ``(B, C)``."""
    return band_means(values, _whole_windows(values, valid))


def _whole_windows(values: Tensor, valid: Tensor | None) -> Tensor | None:
    """The windows of ``(B, C, *windows)`` with only valid pixels: ``(B, 1, *windows)``."""
    if valid is not None:
        for axis in range(2, valid.ndim):
            side = valid.shape[axis] - values.shape[axis] + 1
            valid = valid.unfold(axis, side, 1).all(dim=-1)
    return valid


def _middles(values: Tensor, counted: Tensor) -> Tensor:
    """The mask `counted` at the middle of each window of ``(B, C, *windows)``."""
    for axis in range(2, counted.ndim):
        side = counted.shape[axis] - values.shape[axis] + 1
        counted = counted.narrow(axis, side // 2, values.shape[axis])
    return counted


def _halved(valid: Tensor | None, sides: Sequence[int]) -> Tensor | None:
    """Pairs of valid pixels along axes with a window above 1; an odd last pixel is dropped."""
    if valid is not None:
        for axis, side in enumerate(sides, start=2):
            if side > 1:
                valid = valid.unfold(axis, 2, 2).all(dim=-1)
    return valid
