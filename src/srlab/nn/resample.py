r"""Separable resampling by an integer factor per axis, in N dimensions.

Keys' kernel with :math:`a = -1/2` (Keys 1981, eq. 15) serves the degradation, the skip connection
and the baseline. It is MATLAB's ``imresize(x, s, "bicubic")``. Pixel areas are aligned, with
centres at half integers, and the border pixels are repeated outwards. When shrinking, the kernel is
widened by the factor, so that nothing aliases. The weights depend on the phase alone and not on the
position, so a tile gives the same bits as the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, get_args

import torch
from torch import Tensor

from srlab.axes import per_axis
from srlab.mistakes import Mistake

Interpolation = Literal["nearest", "linear", "cubic"]


def check_interpolation(kind: Interpolation, *, argument: str) -> Interpolation:
    """Return `kind` if it is known; otherwise raise a `Mistake` that names the argument."""
    if kind not in get_args(Interpolation):
        raise Mistake(
            f"{argument} is {kind!r}; it must be one of {', '.join(get_args(Interpolation))}."
        )
    return kind


def keys_kernel(x: Tensor) -> Tensor:
    """Keys' cubic convolution kernel with a = -1/2, zero for ``|x| >= 2``."""
    x = x.abs()
    near = (1.5 * x - 2.5) * x * x + 1.0
    far = ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
    return torch.where(x <= 1, near, torch.where(x < 2, far, torch.zeros_like(x)))


def linear_kernel(x: Tensor) -> Tensor:
    """The triangle ``1 - |x|``, zero for ``|x| >= 1``."""
    return (1 - x.abs()).clamp(min=0)


def enlarge(image: Tensor, scale: int | Sequence[int], kind: Interpolation = "cubic") -> Tensor:
    """Enlarge ``(B, C, *S)`` to ``(B, C, *S·scale)``; floating point, differentiable."""
    for axis, factor in _axes(image, scale):
        if factor > 1:
            image = _apply(image, axis, factor, *_enlarging_taps(factor, kind))
    return image


def shrink(
    image: Tensor,
    scale: int | Sequence[int],
    *,
    after_each_axis: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """Shrink ``(B, C, *S·scale)`` to ``(B, C, *S)``, antialiased.

    Sizes must be multiples of the factors. `after_each_axis` is applied between the passes, since
    MATLAB rounds integer images after each.
    """
    axes = _axes(image, scale)
    if any(image.shape[axis] % factor for axis, factor in axes):
        raise Mistake(
            f"an image of size {tuple(image.shape[2:])} cannot be shrunk by {scale}: crop it to "
            "multiples first."
        )
    for axis, factor in axes:
        if factor > 1:
            image = _apply(image, axis, factor, *_shrinking_taps(factor))
            if after_each_axis:
                image = after_each_axis(image)
    return image


def _axes(image: Tensor, scale: int | Sequence[int]) -> list[tuple[int, int]]:
    if not image.is_floating_point():
        raise Mistake(
            f"resampling needs floating point, got {image.dtype}: convert the image with .float() "
            "first."
        )
    return list(enumerate(per_axis(scale, image.ndim - 2), start=2))


def _enlarging_taps(factor: int, kind: Interpolation) -> tuple[Tensor, Tensor]:
    """Offsets from the LR pixel and weights, both ``(phases = factor, taps)``."""
    centre = (torch.arange(factor, dtype=torch.float64) + 0.5) / factor - 0.5
    if kind == "nearest":
        return torch.zeros(factor, 1, dtype=torch.long), torch.ones(factor, 1, dtype=torch.float64)
    kernel, reach = {"linear": (linear_kernel, 1), "cubic": (keys_kernel, 2)}[kind]
    offsets = centre.floor()[:, None] + torch.arange(1 - reach, 1 + reach)
    return offsets.long(), _normalised(kernel(centre[:, None] - offsets))


def _shrinking_taps(factor: int) -> tuple[Tensor, Tensor]:
    """Offsets from the first HR pixel under an LR pixel and weights, both ``(1, taps)``."""
    centre = (factor - 1) / 2
    offsets = torch.arange(-2 * factor, 3 * factor, dtype=torch.float64)[None]
    weights = keys_kernel((offsets - centre) / factor)
    used = weights[0] != 0
    return offsets[:, used].long(), _normalised(weights[:, used])


def _normalised(weights: Tensor) -> Tensor:
    return weights / weights.sum(dim=1, keepdim=True)


def _apply(image: Tensor, axis: int, factor: int, offsets: Tensor, weights: Tensor) -> Tensor:
    """Sum the taps along one axis.

    A single phase shrinks by `factor`; `factor` phases enlarge by it.
    """
    size, (phases, taps) = image.shape[axis], offsets.shape
    stride = factor if phases == 1 else 1
    starts = torch.arange(0, size, stride)
    positions = (starts[:, None, None] + offsets).flatten(0, 1).clamp(0, size - 1).to(image.device)
    shape = [1] * image.ndim
    shape[axis] = positions.shape[0]
    per_tap = weights.repeat(starts.shape[0], 1).to(image)
    terms = (
        image.index_select(axis, positions[:, tap]) * per_tap[:, tap].view(shape)
        for tap in range(taps)
    )
    return sum(terms, start=image.new_zeros(()))
