"""Bicubic shrinking, the degradation of most super-resolution benchmarks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from srlab.axes import per_axis
from srlab.mistakes import Mistake
from srlab.nn.resample import shrink


class Bicubic:
    """Shrinks HR by antialiased bicubic interpolation, like MATLAB's ``imresize``.

    It equals ``imresize(hr, 1 / scale, "bicubic")``. If `integers` is ``[low, high]``, values are
    rounded to integers in this range after each axis, as MATLAB does for integer images. With
    ``[0, 255]``, LR equals that of the published benchmarks to the last bit. If `integers` is None,
    nothing is rounded, and the degradation is linear.

    Values are in any unit. Gradients pass through the rounding unchanged (straight-through
    estimator, Bengio et al. 2013).

    Raises a `Mistake` unless `integers` is None or a range.
    """

    def __init__(
        self,
        *,
        scale: int | Sequence[int],
        spatial_dims: int = 2,
        integers: Sequence[int] | None = None,
    ) -> None:
        self.scale = per_axis(scale, spatial_dims)
        if integers is not None and (len(integers) != 2 or integers[0] >= integers[1]):
            raise Mistake(
                f"integers is {integers}; give null, or [lowest, highest] such as [0, 255]."
            )
        self.integers = integers
        self.linear = integers is None

    def __call__(self, hr: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Degrade HR ``(B, C, *S·scale)`` to LR ``(B, C, *S)``; nothing here is random."""
        if self.integers is None:
            return shrink(hr, self.scale)
        low, high = self.integers

        def rounded(image: Tensor) -> Tensor:
            result: Tensor = _Rounded.apply(image, low, high)
            return result

        return shrink(hr, self.scale, after_each_axis=rounded)


class _Rounded(torch.autograd.Function):
    """Rounding, halves up, and clamping, with the gradient of the identity.

    The true gradient of rounding is zero almost everywhere, so nothing could be learnt from it.
    """

    @staticmethod
    def forward(ctx: Any, image: Tensor, low: int, high: int) -> Tensor:
        return torch.floor(image + 0.5).clamp(low, high)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return gradient, None, None
