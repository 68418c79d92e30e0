"""Structural similarity in N dimensions, differentiable (Wang et al. 2004, eq. 6, 9, 10 and 13).

Let `p = x + y` be the sum and `m = x - y` the difference of two images. Then both factors of SSIM
have the form `(P - M + 2C) / (P + M + 2C)`. For the luminance, P and M are the squared local means
of `p` and `m`. For contrast and structure they are their local variances.

This form needs four local means instead of five. Both factors stay within [-1, 1] whatever the
rounding.
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
"""The Gaussian window's standard deviation, in pixels (Wang et al. 2004, section III-B)."""

LEVEL_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""The weight of each level of MS-SSIM, the finest first (Wang et al. 2003, section 3.2)."""

_C1, _C2 = 0.01**2, 0.03**2


def ssim_map(
    sr: Tensor, hr: Tensor, *, data_range: float, window: int | Sequence[int] = 11
) -> tuple[Tensor, Tensor]:
    """SSIM of every window inside the image, and its contrast-structure factor.

    Wang et al. 2004, eq. 13. Images ``(B, C, *S)`` to two maps ``(B, C, *(S - window + 1))``.

    `window` is the odd side in pixels at which the Gaussian is cut off, one for all axes or one for
    each. Its weights sum to one. `data_range` is the span of values that counts as the full scale.

    Differentiable everywhere. Computed in the images' precision: give float32 or more.
    """
    sides = _sides(window, sr)
    if any(side > length for side, length in zip(sides, sr.shape[2:], strict=True)):
        fitting = ",".join(map(str, _fitting(sides, sr.shape[2:])))
        raise Mistake(
            f"SSIM looks through windows of {sides} pixels; got an image of {tuple(sr.shape[2:])}. "
            f"Give larger images, or set a smaller window, such as window=[{fitting}]."
        )
    if data_range <= 0:
        raise Mistake(
            f"data_range is {data_range}; it must be above 0: the span of values that is the full "
            "scale."
        )
    # Variances are differences of squares: of a large offset float32 would leave nothing of them.
    axes = tuple(range(2, sr.ndim))
    offsets = [image.detach().mean(dim=axes, keepdim=True) for image in (sr, hr)]
    images = _sum_and_difference(sr - offsets[0], hr - offsets[1]) / data_range
    mean, square = _local_mean(torch.cat([images, images.square()], dim=1), sides).chunk(2, dim=1)
    contrast = _factor((square - mean.square()).clamp(min=0), 2 * _C2)
    luminance = _factor((mean + _sum_and_difference(*offsets) / data_range).square(), 2 * _C1)
    return luminance * contrast, contrast


def ms_ssim_maps(
    sr: Tensor, hr: Tensor, *, data_range: float, levels: int, window: int | Sequence[int] = 11
) -> Iterator[Tensor]:
    """The maps whose means MS-SSIM multiplies, the finest level first (Wang et al. 2003, eq. 7).

    They are ``(B, C, *(S - window + 1))``, with S halved at each level: the contrast-structure
    factor, and SSIM at the last level. An axis with a window of 1 is not halved, so
    ``window=[1, 11, 11]`` looks at frames or slices one by one.
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
    """The means of `ms_ssim_maps`, ``(B, C, levels)``, the finest level first."""
    maps = ms_ssim_maps(sr, hr, data_range=data_range, levels=levels, window=window)
    return torch.stack([one.flatten(2).mean(dim=2) for one in maps], dim=2)


def ms_ssim_product(levels: Tensor) -> Tensor:
    """Multiply `levels` ``(B, C, levels)`` to MS-SSIM, ``(B, C)``; they must not be negative.

    The weights of the finest levels are used, scaled to a sum of one.
    """
    weights = LEVEL_WEIGHTS[: levels.shape[2]]
    powers = [
        level ** (weight / sum(weights))
        for level, weight in zip(levels.unbind(2), weights, strict=True)
    ]
    return reduce(torch.mul, powers)


def check_levels(levels: int) -> None:
    """Raise a `Mistake` unless each level of MS-SSIM has a weight."""
    if not 1 <= levels <= len(LEVEL_WEIGHTS):
        raise Mistake(f"levels is {levels}; MS-SSIM has 1 to {len(LEVEL_WEIGHTS)}.")


def check_window(window: int | Sequence[int], *, odd: bool = True) -> None:
    """Raise a `Mistake` unless a window has whole sides of at least 1 pixel, and odd ones."""
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


def _fitting(sides: Sequence[int], size: Sequence[int]) -> list[int]:
    """Return odd sides that fit into an image, and are no larger than the given ones."""
    return [min(side, length - (length + 1) % 2) for side, length in zip(sides, size, strict=True)]


def _check_coarsest(size: Sequence[int], sides: Sequence[int], levels: int) -> None:
    """Refuse images whose coarsest level is smaller than a window."""
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
    """``(P - M + constant) / (P + M + constant)`` of stacked P and M: exactly 1 where M is zero."""
    plus, minus = images.chunk(2, dim=1)
    return 1 - 2 * minus / (plus + minus + constant)


def _local_mean(image: Tensor, sides: Sequence[int]) -> Tensor:
    """Average through the Gaussian window along one axis after the other."""
    for axis, side in enumerate(sides, start=2):
        if side > 1:
            image = _filtered(image, axis, _gaussian(side, image))
    return image


def _filtered(image: Tensor, axis: int, taps: Tensor) -> Tensor:
    """Correlate one axis with `taps`, by a 2D convolution on merged axes.

    The axes before it are merged, and so are those after it.
    """
    batch, channels, *size = image.shape
    before, length, after = prod(size[: axis - 2]), size[axis - 2], prod(size[axis - 1 :])
    if axis == image.ndim - 1:
        flat, taps_shape = (batch, channels, before, length), (1, 1, 1, -1)
    else:
        flat, taps_shape = (batch, channels * before, length, after), (1, 1, -1, 1)
    kernel = taps.view(taps_shape).repeat(flat[1], 1, 1, 1)
    # Depthwise and contiguous: CUDA then takes a kernel of its own. CuDNN's would round to TF32.
    mean = F.conv2d(image.reshape(flat).contiguous(), kernel, groups=flat[1])
    return mean.reshape(*image.shape[:axis], length - len(taps) + 1, *image.shape[axis + 1 :])


def _gaussian(side: int, like: Tensor) -> Tensor:
    positions = torch.arange(side, dtype=like.dtype, device=like.device) - side // 2
    weights = torch.exp(-positions.square() / (2 * SIGMA**2))
    return weights / weights.sum()


def _halved(image: Tensor, sides: Sequence[int]) -> Tensor:
    """Average pairs of pixels along axes with a window above 1; an odd last pixel is dropped."""
    for axis, side in enumerate(sides, start=2):
        if side > 1:
            pairs = image.shape[axis] // 2
            split = (*image.shape[:axis], pairs, 2, *image.shape[axis + 1 :])
            image = image.narrow(axis, 0, 2 * pairs).reshape(split).mean(dim=axis + 1)
    return image
