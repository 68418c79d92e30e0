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

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from srlab.axes import per_axis
from srlab.mistakes import Mistake

Array = NDArray[np.float64]
Interpolation = Literal["nearest", "linear", "cubic"]


def check_interpolation(kind: Interpolation, *, argument: str) -> Interpolation:
    """Return `kind` if it is known; otherwise raise a `Mistake` that names the argument."""
    if kind not in get_args(Interpolation):
        raise Mistake(
            f"{argument} is {kind!r}; it must be one of {', '.join(get_args(Interpolation))}."
        )
    return kind


def keys_kernel(x: Array) -> Array:
    """Keys' cubic convolution kernel with a = -1/2, zero for ``|x| >= 2``."""
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x * x + 1.0
    far = ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
    values: Array = np.where(x <= 1, near, np.where(x < 2, far, 0.0))
    return values


def linear_kernel(x: Array) -> Array:
    """The triangle ``1 - |x|``, zero for ``|x| >= 1``."""
    values: Array = np.maximum(1 - np.abs(x), 0)
    return values


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


def border_repeated(image: Tensor, axis: int, before: int, after: int) -> Tensor:
    """Repeat the border pixels of one axis outwards."""
    size = image.shape[axis]
    positions = torch.arange(-before, size + after, device=image.device).clamp(0, size - 1)
    return image.index_select(axis, positions)


def _axes(image: Tensor, scale: int | Sequence[int]) -> list[tuple[int, int]]:
    if not image.is_floating_point():
        raise Mistake(
            f"resampling needs floating point, got {image.dtype}: convert the image with .float() "
            "first."
        )
    return list(enumerate(per_axis(scale, image.ndim - 2), start=2))


def _enlarging_taps(factor: int, kind: Interpolation) -> tuple[Array, Array]:
    """Offsets from the LR pixel and weights, both ``(phases = factor, taps)``."""
    centre = (np.arange(factor) + 0.5) / factor - 0.5
    if kind == "nearest":
        return np.zeros((factor, 1)), np.ones((factor, 1))
    kernel, reach = {"linear": (linear_kernel, 1), "cubic": (keys_kernel, 2)}[kind]
    offsets = np.floor(centre)[:, None] + np.arange(1.0 - reach, 1.0 + reach)
    return offsets, _normalised(kernel(centre[:, None] - offsets))


def _shrinking_taps(factor: int) -> tuple[Array, Array]:
    """Offsets from the first HR pixel under an LR pixel and weights, both ``(1, taps)``."""
    centre = (factor - 1) / 2
    offsets = np.arange(-2.0 * factor, 3.0 * factor)[None]
    weights = keys_kernel((offsets - centre) / factor)
    used = weights[0] != 0
    return offsets[:, used], _normalised(weights[:, used])


def _normalised(weights: Array) -> Array:
    total: Array = weights.sum(axis=1, keepdims=True)
    return weights / total


def _apply(image: Tensor, axis: int, factor: int, offsets: Array, weights: Array) -> Tensor:
    """Sum the taps along one axis.

    A single phase shrinks by `factor`; `factor` phases enlarge by it.
    """
    stride = factor if len(offsets) == 1 else 1
    # Views of one continued image: to gather every tap anew took a third of a network's time.
    before, after = int(-offsets.min()), int(offsets.max()) + 1 - stride
    wider = border_repeated(image, axis, before, after)
    reach = image.shape[axis] - stride + 1
    phases = []
    for starts, taps in zip(offsets + before, weights, strict=True):
        spans = [slice(int(start), int(start) + reach, stride) for start in starts]
        phases.append(_weighted_sum(wider, axis, spans, taps))
    if len(phases) == 1:
        return phases[0]
    return torch.stack(phases, dim=axis + 1).flatten(axis, axis + 1)


def _weighted_sum(image: Tensor, axis: int, spans: Sequence[slice], weights: Array) -> Tensor:
    """Add views of one axis, each times its weight."""
    total = image.new_zeros(())
    factors = image.new_tensor(weights.tolist()).view(-1, *[1] * image.ndim)
    for span, weight in zip(spans, factors, strict=True):
        view = image[(*[slice(None)] * axis, span)]
        total = total + view * weight
    return total
