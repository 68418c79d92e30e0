"""Linear filtering: LR pixels as weighted sums of the HR pixels around them."""

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
    """Return LR ``(B, C, *S)``: the sums of HR ``(B, C, *S·scale)``, weighted by a kernel.

    The kernel is ``(1, *K)``, or ``(C, *K)`` with one for each channel. Its centre is that of an
    LR pixel's area. So each size is odd where the factor is odd, and even where that is even.
    Border pixels are repeated outwards. The kernel is not flipped.

    Raises a `Mistake` if the sizes or the number of kernels do not fit.
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
            # The kernel is smaller than the LR pixel, so the outer HR pixels get no weight.
            kernel = _widened(kernel, axis - 1, -margin)
        hr = border_repeated(hr, axis, max(margin, 0), max(margin, 0))
    if len(kernel) not in (1, hr.shape[1]):
        raise Mistake(
            f"there are kernels for {len(kernel)} channels and the image has {hr.shape[1]}; give "
            "one kernel, or one for each channel."
        )
    return filter_channels(hr, kernel.to(hr).expand(hr.shape[1], *kernel.shape[1:]), factors)


def _widened(kernel: Tensor, axis: int, margin: int) -> Tensor:
    shape = list(kernel.shape)
    shape[axis] = margin
    zeros = kernel.new_zeros(shape)
    return torch.cat([zeros, kernel, zeros], dim=axis)


def along(taps: Tensor, axis: int, dims: int) -> Tensor:
    """Shape ``(C, K)`` taps as kernels along one of `dims` spatial axes."""
    shape = [1] * dims
    shape[axis] = taps.shape[1]
    return taps.view(len(taps), *shape)


def box(width: float, factor: int) -> Tensor:
    """Return the weights ``(K,)`` of HR pixels in a box around an LR pixel's centre, with sum 1.

    `width` is the width of the box and `factor` that of the LR pixel, in HR pixels. A pixel that
    the box covers in part has that part of the weight.
    """
    count = factor + 2 * ceil(max(width - factor, 0) / 2)
    edges = torch.arange(count + 1, dtype=torch.float64) - count / 2
    return edges.clamp(-width / 2, width / 2).diff() / width
