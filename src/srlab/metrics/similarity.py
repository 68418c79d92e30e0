"""Metrics of local structure, over the windows that hold valid pixels alone."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from srlab.axes import per_axis
from srlab.metrics.masked import band_means
from srlab.metrics.protocol import View
from srlab.mistakes import Mistake
from srlab.nn.similarity import ms_ssim_product, ssim_map


class SSIM:
    """Structural similarity, with a Gaussian window of sigma 1.5 (Wang et al. 2004, eq. 13).

    Images ``(B, C, *S)`` to ``(B,)``, the mean over channels and over the windows that lie inside the image and hold
    no hidden pixel, as in the authors' code; an image without such a window is NaN. `window` is the odd side in
    pixels, one for all axes or one for each: ``[1, 11, 11]`` looks at each frame of a video by itself.
    """

    higher_is_better = True

    def __init__(self, *, window: int | Sequence[int] = 11) -> None:
        self.window = window

    def __call__(self, sr: Tensor, hr: Tensor, view: View) -> Tensor:
        """Compare each image of a batch over its whole windows."""
        sr, hr = (_hidden_zeroed(image, view.valid) for image in (sr, hr))
        similarity, _ = ssim_map(sr, hr, data_range=view.data_range, window=self.window)
        return band_means(similarity, _whole_windows(view.valid, hr.shape, similarity.shape)).mean(
            dim=1
        )


class MSSSIM:
    """Multi-scale structural similarity (Wang et al. 2003, eq. 7), the product taken channel by channel.

    Images ``(B, C, *S)`` to ``(B,)``, the mean over channels; windows as in `SSIM`. Each level halves the image by
    averages of two pixels along every axis but those where the window's side is 1; a halved pixel is valid if all
    that made it are. With fewer `levels` than five the first weights are used, scaled to a sum of one. A level whose
    mean is negative counts as zero, since its root is not real.
    """

    higher_is_better = True

    def __init__(self, *, levels: int = 5, window: int | Sequence[int] = 11) -> None:
        if not 1 <= levels <= 5:
            raise Mistake(f"levels is {levels}; MS-SSIM has weights for 1 to 5.")
        self.levels, self.window = levels, window

    def __call__(self, sr: Tensor, hr: Tensor, view: View) -> Tensor:
        """Compare each image of a batch over its whole windows."""
        sides = per_axis(self.window, hr.ndim - 2)
        least = [side * 2 ** (self.levels - 1) if side > 1 else 1 for side in sides]
        _check_size(
            f"MS-SSIM of {self.levels} levels", hr, least, "set fewer levels or a smaller window"
        )
        halved = [axis for axis, side in enumerate(sides, start=2) if side > 1]
        valid, factors = view.valid, []
        sr, hr = (_hidden_zeroed(image, valid) for image in (sr, hr))
        for level in range(1, self.levels + 1):
            similarity, structure = ssim_map(sr, hr, data_range=view.data_range, window=sides)
            compared = similarity if level == self.levels else structure
            factors.append(band_means(compared, _whole_windows(valid, hr.shape, compared.shape)))
            sr, hr = (_halve(image, halved) for image in (sr, hr))
            valid = None if valid is None else _halve(valid, halved)
        return ms_ssim_product(torch.stack(factors, dim=2).clamp(min=0)).mean(dim=1)


class UQI:
    """Universal image quality index, the Q index of pansharpening (Wang & Bovik 2002, eq. 2).

    Images ``(B, C, *S)`` to ``(B,)``, the mean over channels and over all square windows of the side `window` (one
    for all axes or one for each) that lie inside the image and hold no hidden pixel; an image without one is NaN.
    It has no constants, and so no data range. A factor that is 0/0, where both images are flat or zero, counts as one.
    """

    higher_is_better = True

    def __init__(self, *, window: int | Sequence[int] = 8) -> None:
        self.window = window

    def __call__(self, sr: Tensor, hr: Tensor, view: View) -> Tensor:
        """Compare each image of a batch over its whole windows."""
        sides = per_axis(self.window, hr.ndim - 2)
        _check_size("UQI", hr, sides, "set a smaller window")
        # a variance is a small difference of large squares, and no constant hides its rounding here
        first, second = (
            image if image.device.type == "mps" else image.double() for image in (sr, hr)
        )
        images = torch.cat([first + second, first - second], dim=1)
        mean, square = _window_means(images, sides), _window_means(images.square(), sides)
        variance = (square - mean.square()).clamp(min=0)
        # what is left of a flat window's variance is rounding
        variance = torch.where(variance <= 1e-12 * square, 0.0, variance)
        quality = _agreement(mean.square()) * _agreement(variance)
        return (
            band_means(quality, _whole_windows(view.valid, hr.shape, quality.shape))
            .mean(dim=1)
            .to(hr.dtype)
        )


def _agreement(of_sum_and_difference: Tensor) -> Tensor:
    """2xy / (x² + y²) from (x + y)² and (x - y)², along the channels; 2 cov / (var x + var y) from their variances."""
    plus, minus = of_sum_and_difference.chunk(2, dim=1)
    return torch.where(plus + minus == 0, 1.0, (plus - minus) / (plus + minus))


def _window_means(image: Tensor, sides: Sequence[int]) -> Tensor:
    """Means of each window inside ``(B, C, *S)``: ``(B, C, *(S - side + 1))``."""
    for axis, side in enumerate(sides, start=2):
        image = image.unfold(axis, side, 1).mean(dim=-1)
    return image


def _whole_windows(
    valid: Tensor | None, size: Sequence[int], windows: Sequence[int]
) -> Tensor | None:
    """Which windows hold valid pixels alone, of images and maps of these sizes."""
    if valid is None:
        return None
    for axis in range(2, len(size)):
        valid = valid.unfold(axis, size[axis] - windows[axis] + 1, 1).all(dim=-1)
    return valid


def _halve(image: Tensor, axes: Sequence[int]) -> Tensor:
    """Average pairs of pixels along the axes, or tell which pairs are valid; an odd last pixel is dropped."""
    for axis in axes:
        first, second = image.unfold(axis, 2, 2).unbind(dim=-1)
        image = first & second if image.dtype == torch.bool else (first + second) / 2
    return image


def _hidden_zeroed(image: Tensor, valid: Tensor | None) -> Tensor:
    return image if valid is None else torch.where(valid, image, 0.0)


def _check_size(name: str, image: Tensor, least: Sequence[int], remedy: str) -> None:
    size = tuple(image.shape[2:])
    if any(pixels < needed for pixels, needed in zip(size, least, strict=True)):
        raise Mistake(
            f"{name} needs images of at least {tuple(least)} pixels; got {size}: {remedy}."
        )
