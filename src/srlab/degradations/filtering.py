"""Linear filters, which compute LR pixels as weighted sums of the HR pixels around them."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import torch
from torch import Tensor

from srlab.axes import per_axis
from srlab.mistakes import Mistake
from srlab.nn.dims import filter_channels
from srlab.nn.resample import border_repeated


def filtered(hr: Tensor, kernel: Tensor, scale: int | Sequence[int]) -> Tensor:
    """Return LR ``(B, C, *S)``: sums of HR ``(B, C, *S·scale)`` that are weighted by a kernel.

    The kernel is ``(1, *K)``, or ``(C, *K)`` with a kernel for each channel. It is not flipped. Its
    centre lies on the centre of an LR pixel. So along each axis, its size is even if the scale is
    even, and odd if the scale is odd. Border pixels are repeated outwards.

    Raises a `Mistake` if the scale does not divide the image, or the kernel does not fit.
    """
    factors = per_axis(scale, hr.ndim - 2)
    sizes = tuple(kernel.shape[1:])
    for axis, (factor, size) in enumerate(zip(factors, sizes, strict=True), start=2):
        if hr.shape[axis] % factor:
            raise Mistake(
                f"an image of size {tuple(hr.shape[2:])} cannot be shrunk by {factors}: crop it "
                "to multiples first."
            )
        if (size - factor) % 2:
            parity = ("an even", "an odd")[factor % 2]
            raise Mistake(
                f"a kernel of {size} pixels cannot lie in the middle of {factor} pixels: give one "
                f"of {parity} size."
            )
        margin = (size - factor) // 2
        if margin < 0:
            # The kernel is smaller than an LR pixel, whose outer HR pixels get the weight zero.
            kernel = _widened(kernel, axis - 1, -margin)
            margin = 0
        hr = border_repeated(hr, axis, margin, margin)

    if len(kernel) not in (1, hr.shape[1]):
        raise Mistake(
            f"there are kernels for {len(kernel)} channels and the image has {hr.shape[1]}; give "
            "one kernel, or one for each channel."
        )
    kernels = kernel.to(hr).expand(hr.shape[1], *kernel.shape[1:])
    return filter_channels(hr, kernels, factors)


def _widened(kernel: Tensor, axis: int, margin: int) -> Tensor:
    """Add `margin` zeros at both ends of an axis of the kernel."""
    shape = list(kernel.shape)
    shape[axis] = margin
    zeros = kernel.new_zeros(shape)
    return torch.cat([zeros, kernel, zeros], dim=axis)


def along(taps: Tensor, axis: int, dims: int) -> Tensor:
    """Return weights ``(C, K)`` as kernels that extend along one of `dims` spatial axes."""
    shape = [1] * dims
    shape[axis] = taps.shape[1]
    return taps.view(len(taps), *shape)


def box(width: float, factor: int) -> Tensor:
    """Return equal weights ``(K,)`` of the HR pixels within a box, with sum 1.

    The box lies on the centre of an LR pixel. `width` is the width of the box, and `factor` is that
    of the LR pixel, both in HR pixels. An HR pixel that the box covers in part gets that part of
    the weight.
    """
    beyond_lr_pixel = max(width - factor, 0)
    count = factor + 2 * ceil(beyond_lr_pixel / 2)
    edges = torch.arange(count + 1, dtype=torch.float64) - count / 2
    return edges.clamp(-width / 2, width / 2).diff() / width
