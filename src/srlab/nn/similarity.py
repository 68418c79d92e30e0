r"""Structural similarity in N dimensions, differentiable.

With the sum :math:`p = x + y` and the difference :math:`m = x - y` of two images, both factors of SSIM have the form
:math:`(P - M + 2C) / (P + M + 2C)`: the luminance with the squared local means of `p` and `m`, contrast and structure
with their local variances. That is Wang et al. 2004, eq. 6, 9, 10 and 13, with four local means instead of five, and
both factors stay within [-1, 1] whatever the rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor

from srlab.axes import per_axis
from srlab.mistakes import Mistake

SIGMA = 1.5
"""The Gaussian window's standard deviation, in pixels (Wang et al. 2004, section III-B)."""

LEVEL_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""What each level of MS-SSIM counts, the finest first (Wang et al. 2003, section 3.2)."""

_C1, _C2 = 0.01**2, 0.03**2


def ssim_map(
    sr: Tensor, hr: Tensor, *, data_range: float, window: int | Sequence[int] = 11
) -> tuple[Tensor, Tensor]:
    """Return SSIM of every window inside the image, and its contrast-structure factor (Wang et al. 2004, eq. 13).

    Images ``(B, C, *S)`` to two maps ``(B, C, *(S - window + 1))``. `window` is the odd side in pixels at which the
    Gaussian is cut off, one for all axes or one for each; its weights sum to one. `data_range` is the span of values
    that counts as the full scale. Differentiable everywhere; computed in the images' precision: give float32 or more.
    """
    sides = _sides(window, sr)
    if any(side > length for side, length in zip(sides, sr.shape[2:], strict=True)):
        raise Mistake(
            f"SSIM looks through windows of {sides} pixels; got an image of {tuple(sr.shape[2:])}. "
            "Give larger images, or set a smaller window, odd, for every axis or one for each, as window=[5,11,11]."
        )
    if data_range <= 0:
        raise Mistake(
            f"data_range is {data_range}; it must be above 0: the span of values that is the full scale."
        )
    # variances are differences of squares: of a large offset float32 would leave nothing of them
    offsets = [
        image.detach().mean(dim=tuple(range(2, sr.ndim)), keepdim=True) for image in (sr, hr)
    ]
    images = _sum_and_difference(sr - offsets[0], hr - offsets[1]) / data_range
    mean, square = _local_mean(torch.cat([images, images.square()], dim=1), sides).chunk(2, dim=1)
    contrast = _factor((square - mean.square()).clamp(min=0), 2 * _C2)
    luminance = _factor((mean + _sum_and_difference(*offsets) / data_range).square(), 2 * _C1)
    return luminance * contrast, contrast


def ms_ssim_levels(
    sr: Tensor, hr: Tensor, *, data_range: float, levels: int = 5, window: int | Sequence[int] = 11
) -> Tensor:
    """Return what MS-SSIM multiplies, ``(B, C, levels)``, the finest level first (Wang et al. 2003, eq. 7).

    That is the mean over windows of the contrast-structure factor, and at the last level of SSIM. Levels follow by
    averages over 2 pixels along each axis; an odd last pixel is dropped. An axis with a window of 1 is not shrunk, so
    ``window=[1, 11, 11]`` looks at frames or slices one by one.
    """
    if not 1 <= levels <= len(LEVEL_WEIGHTS):
        raise Mistake(f"levels is {levels}; MS-SSIM has 1 to {len(LEVEL_WEIGHTS)}.")
    sides = _sides(window, sr)
    _check_coarsest(sr.shape[2:], sides, levels)
    factors = []
    for level in range(levels):
        if level > 0:
            sr, hr = (_halved(image, sides) for image in (sr, hr))
        similarity, contrast = ssim_map(sr, hr, data_range=data_range, window=sides)
        factors.append((similarity if level == levels - 1 else contrast).flatten(2).mean(dim=2))
    return torch.stack(factors, dim=2)


def ms_ssim_product(levels: Tensor) -> Tensor:
    """Multiply `levels` ``(B, C, levels)`` to MS-SSIM, ``(B, C)``; they must not be negative.

    The weights of as many levels are used, rescaled to a sum of one.
    """
    weights = LEVEL_WEIGHTS[: levels.shape[2]]
    return reduce(
        torch.mul,
        [level ** (w / sum(weights)) for level, w in zip(levels.unbind(2), weights, strict=True)],
    )


def _sides(window: int | Sequence[int], image: Tensor) -> tuple[int, ...]:
    sides = per_axis(window, image.ndim - 2)
    if not all(side % 2 for side in sides):
        raise Mistake(
            f"window is {window}; sides must be odd, so that a window has a pixel in its middle."
        )
    return sides


def _check_coarsest(size: Sequence[int], sides: Sequence[int], levels: int) -> None:
    least = tuple(side if side == 1 else side * 2 ** (levels - 1) for side in sides)
    if any(length < wanted for length, wanted in zip(size, least, strict=True)):
        raise Mistake(
            f"MS-SSIM of {levels} levels through windows of {tuple(sides)} pixels needs images of at least {least}; "
            f"got {tuple(size)}. Give larger images, or set fewer levels or a smaller window."
        )


def _sum_and_difference(x: Tensor, y: Tensor) -> Tensor:
    return torch.cat([x + y, x - y], dim=1)


def _factor(images: Tensor, constant: float) -> Tensor:
    """Turn P and M, stacked, into ``(P - M + constant) / (P + M + constant)``, exactly one where M is zero."""
    plus, minus = images.chunk(2, dim=1)
    return 1 - 2 * minus / (plus + minus + constant)


def _local_mean(image: Tensor, sides: Sequence[int]) -> Tensor:
    """Average through the Gaussian window along one axis after the other."""
    for axis, side in enumerate(sides, start=2):
        if side > 1:
            image = _filtered(image, axis, _gaussian(side, image))
    return image


def _filtered(image: Tensor, axis: int, taps: Tensor) -> Tensor:
    """Correlate one axis with `taps`, by 2D convolutions that merge the axes before it or after it."""
    batch, channels, *size = image.shape
    before, length, after = prod(size[: axis - 2]), size[axis - 2], prod(size[axis - 1 :])
    last = axis == image.ndim - 1
    flat = (batch, channels, before, length) if last else (batch, channels * before, length, after)
    kernel = taps.view((1, 1, 1, -1) if last else (1, 1, -1, 1)).repeat(flat[1], 1, 1, 1)
    # depthwise and contiguous: CUDA then has a kernel of its own, where cuDNN's would round the squares to TF32
    mean = F.conv2d(image.reshape(flat).contiguous(), kernel, groups=flat[1])
    return mean.reshape(*image.shape[:axis], length - len(taps) + 1, *image.shape[axis + 1 :])


def _gaussian(side: int, like: Tensor) -> Tensor:
    positions = torch.arange(side, dtype=like.dtype, device=like.device) - side // 2
    weights = torch.exp(-positions.square() / (2 * SIGMA**2))
    return weights / weights.sum()


def _halved(image: Tensor, sides: Sequence[int]) -> Tensor:
    for axis, side in enumerate(sides, start=2):
        if side > 1:
            pairs = image.shape[axis] // 2
            even = image.narrow(axis, 0, 2 * pairs)
            image = even.reshape(*image.shape[:axis], pairs, 2, *image.shape[axis + 1 :]).mean(
                dim=axis + 1
            )
    return image
