"""Differentiable structural similarity in 2D and 3D (Wang et al. 2004, eq. 6, 9, 10 and 13).

SSIM is the product of a luminance factor and a contrast-structure factor. Let ``p = x + y`` be the
sum and ``m = x - y`` the difference of two images. Both factors then have the form
``(P - M + 2C) / (P + M + 2C)``. For the luminance, P and M are the squared local means of p and m.
For contrast and structure, they are the local variances of p and m.

This form needs four local means, and the usual form five. Rounding cannot take a factor out of
[-1, 1].
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor

from srlab.axes import is_count, per_axis
from srlab.mistakes import Mistake

SIGMA = 1.5
"""The standard deviation of the Gaussian window, in pixels (Wang et al. 2004, section III-B)."""

LEVEL_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""The weight of each level of MS-SSIM, the finest first (Wang et al. 2003, section 3.2)."""

_C1, _C2 = 0.01**2, 0.03**2
"""The constants of luminance and contrast for a data range of 1 (Wang et al. 2004, eq. 7, 9)."""


def ssim_map(
    sr: Tensor, hr: Tensor, *, data_range: float, window: int | Sequence[int] = 11
) -> tuple[Tensor, Tensor]:
    """Return SSIM and its contrast-structure factor for each window (Wang et al. 2004, eq. 13).

    Images are ``(B, C, *S)``, and both maps are ``(B, C, *(S - window + 1))``: only windows that
    lie entirely within the image count. `window` is the side of the Gaussian window in pixels, one
    odd number or one for each axis. `data_range` is the difference of the largest and the smallest
    possible value.

    Both maps are differentiable everywhere. They are computed in the precision of the images, which
    should be float32 or float64.

    Raises a `Mistake` if a window is not valid or larger than the image, or `data_range` is not
    positive.
    """
    sides = _sides(window, sr)
    _check_fit(sides, sr.shape[2:])
    if data_range <= 0:
        raise Mistake(
            f"data_range is {data_range}; it must be above 0: the span of values that is the full "
            "scale."
        )

    # Variances are differences of squares. With a large offset, float32 would leave no digits of
    # them, so the mean of each image is subtracted first.
    spatial_axes = tuple(range(2, sr.ndim))
    sr_offset = sr.detach().mean(dim=spatial_axes, keepdim=True)
    hr_offset = hr.detach().mean(dim=spatial_axes, keepdim=True)
    images = _sum_and_difference(sr - sr_offset, hr - hr_offset) / data_range
    offsets = _sum_and_difference(sr_offset, hr_offset) / data_range

    images_and_squares = torch.cat([images, images.square()], dim=1)
    mean, mean_square = _local_mean(images_and_squares, sides).chunk(2, dim=1)
    variance = (mean_square - mean.square()).clamp(min=0)
    contrast = _factor(variance, 2 * _C2)
    luminance = _factor((mean + offsets).square(), 2 * _C1)
    return luminance * contrast, contrast


def ms_ssim_maps(
    sr: Tensor, hr: Tensor, *, data_range: float, levels: int, window: int | Sequence[int] = 11
) -> Iterator[Tensor]:
    """Yield the maps whose means MS-SSIM multiplies (Wang et al. 2003, eq. 7).

    There is one map ``(B, C, *(S - window + 1))`` for each level, the finest first. Each further
    level halves S. The map is SSIM at the last level, and the contrast-structure factor at all
    others. An axis with a window of 1 is not halved. So ``window=[1, 11, 11]`` compares the frames
    of a video, or the slices of a volume, one by one.

    Raises a `Mistake` if an argument is not valid, or the images are too small for the levels.
    """
    check_levels(levels)
    sides = _sides(window, sr)
    _check_coarsest(sr.shape[2:], sides, levels)
    for level in range(1, levels + 1):
        similarity, contrast = ssim_map(sr, hr, data_range=data_range, window=sides)
        if level == levels:
            yield similarity
        else:
            yield contrast
            sr, hr = _halved(sr, sides), _halved(hr, sides)


def ms_ssim_levels(
    sr: Tensor, hr: Tensor, *, data_range: float, levels: int = 5, window: int | Sequence[int] = 11
) -> Tensor:
    """Return the means of `ms_ssim_maps`, ``(B, C, levels)``, the finest level first."""
    maps = ms_ssim_maps(sr, hr, data_range=data_range, levels=levels, window=window)
    means = [one.flatten(2).mean(dim=2) for one in maps]
    return torch.stack(means, dim=2)


def ms_ssim_product(levels: Tensor) -> Tensor:
    """Return MS-SSIM ``(B, C)``: the weighted product of `levels` ``(B, C, levels)``.

    The levels must not be negative. With fewer levels than published, the weights of the finest
    ones are scaled to a sum of one.
    """
    weights = LEVEL_WEIGHTS[: levels.shape[2]]
    total = sum(weights)
    pairs = zip(levels.unbind(2), weights, strict=True)
    powers = [level ** (weight / total) for level, weight in pairs]
    return reduce(torch.mul, powers)


def check_levels(levels: int) -> None:
    """Raise a `Mistake` if MS-SSIM has no weights for this number of levels."""
    if not 1 <= levels <= len(LEVEL_WEIGHTS):
        raise Mistake(f"levels is {levels}; MS-SSIM has 1 to {len(LEVEL_WEIGHTS)}.")


def check_window(window: int | Sequence[int], *, odd: bool = True) -> None:
    """Raise a `Mistake` if the sides of a window are not integers of at least 1.

    With `odd` they must also be odd.
    """
    sides = window if isinstance(window, Sequence) else [window]
    if not all(is_count(side, least=1) for side in sides):
        raise Mistake(f"window is {window}; give a number of pixels >= 1, or one for each axis.")
    if odd and not all(side % 2 for side in sides):
        raise Mistake(
            f"window is {window}; sides must be odd, so that a window has a pixel in its middle."
        )


def _sides(window: int | Sequence[int], image: Tensor) -> tuple[int, ...]:
    check_window(window)
    return per_axis(window, image.ndim - 2, name="window")


def _check_fit(sides: Sequence[int], size: Sequence[int]) -> None:
    """Raise a `Mistake` if a window is larger than an image."""
    if all(side <= length for side, length in zip(sides, size, strict=True)):
        return
    fitting = []
    for side, length in zip(sides, size, strict=True):
        largest_odd = length - (length + 1) % 2
        fitting.append(str(min(side, largest_odd)))
    raise Mistake(
        f"SSIM looks through windows of {tuple(sides)} pixels; got an image of {tuple(size)}. "
        f"Give larger images, or set a smaller window, such as window=[{','.join(fitting)}]."
    )


def _check_coarsest(size: Sequence[int], sides: Sequence[int], levels: int) -> None:
    """Raise a `Mistake` if the coarsest level of images of this size is smaller than a window."""
    least = tuple(side if side == 1 else side * 2 ** (levels - 1) for side in sides)
    if any(length < wanted for length, wanted in zip(size, least, strict=True)):
        raise Mistake(
            f"MS-SSIM of {levels} levels through windows of {tuple(sides)} pixels needs images of "
            f"at least {least}; got {tuple(size)}. Give larger images, or set fewer levels or a "
            "smaller window."
        )


def _sum_and_difference(x: Tensor, y: Tensor) -> Tensor:
    return torch.cat([x + y, x - y], dim=1)


def _factor(images: Tensor, constant: float) -> Tensor:
    """Return ``(P - M + constant) / (P + M + constant)``, exactly 1 where M is zero.

    The first half of the channels of `images` is P, and the second half is M.
    """
    plus, minus = images.chunk(2, dim=1)
    return 1 - 2 * minus / (plus + minus + constant)


def _local_mean(image: Tensor, sides: Sequence[int]) -> Tensor:
    """Return the local mean of an image under the Gaussian window, computed axis by axis."""
    for axis, side in enumerate(sides, start=2):
        if side > 1:
            image = _filtered(image, axis, _gaussian(side, image))
    return image


def _filtered(image: Tensor, axis: int, taps: Tensor) -> Tensor:
    """Correlate one axis with `taps` by a 2D convolution.

    The image is reshaped to 2D: axes before this one are merged, and so are the axes after it.
    """
    batch, channels, *size = image.shape
    length = size[axis - 2]
    before, after = prod(size[: axis - 2]), prod(size[axis - 1 :])
    if axis == image.ndim - 1:
        flat_shape, taps_shape = (batch, channels, before, length), (1, 1, 1, -1)
    else:
        flat_shape, taps_shape = (batch, channels * before, length, after), (1, 1, -1, 1)

    # For a contiguous depthwise convolution torch uses its own CUDA kernel in full precision. The
    # kernel of cuDNN would round to TF32.
    flat = image.reshape(flat_shape).contiguous()
    groups = flat_shape[1]
    kernel = taps.view(taps_shape).repeat(groups, 1, 1, 1)
    filtered = F.conv2d(flat, kernel, groups=groups)
    return filtered.reshape(*image.shape[:axis], length - len(taps) + 1, *image.shape[axis + 1 :])


def _gaussian(side: int, like: Tensor) -> Tensor:
    """Return a Gaussian of `side` weights that sum to one, of the type and device of `like`."""
    positions = torch.arange(side, dtype=like.dtype, device=like.device) - side // 2
    weights = torch.exp(-positions.square() / (2 * SIGMA**2))
    return weights / weights.sum()


def _halved(image: Tensor, sides: Sequence[int]) -> Tensor:
    """Average pairs of pixels along each axis whose window is larger than 1.

    The last pixel of an odd number is left out.
    """
    for axis, side in enumerate(sides, start=2):
        if side > 1:
            count = image.shape[axis] // 2
            even = image.narrow(axis, 0, 2 * count)
            pairs = even.reshape(*image.shape[:axis], count, 2, *image.shape[axis + 1 :])
            image = pairs.mean(dim=axis + 1)
    return image
