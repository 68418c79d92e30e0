r"""Separable resampling by an integer factor per axis, in N dimensions.

Keys' kernel with :math:`a = -1/2` (Keys 1981, eq. 15) serves the degradation, the skip connection
and the baseline. It is MATLAB's ``imresize(x, s, "bicubic")``. Pixel areas are aligned, with
centres at half integers, and the border pixels are repeated outwards. When shrinking, the kernel is
widened by the factor, so that nothing aliases. The weights depend on the phase alone and not on the
position, so a tile gives the same bits as the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import floor
from typing import Literal, get_args

import torch
from torch import Tensor

from srlab.axes import per_axis
from srlab.mistakes import Mistake

Interpolation = Literal["nearest", "linear", "cubic"]

Taps = tuple[list[int], list[float]]
"""Offsets of pixels and their weights."""


def check_interpolation(kind: Interpolation, *, argument: str) -> Interpolation:
    """Return `kind` if it is known; otherwise raise a `Mistake` that names the argument."""
    if kind not in get_args(Interpolation):
        raise Mistake(
            f"{argument} is {kind!r}; it must be one of {', '.join(get_args(Interpolation))}."
        )
    return kind


def keys_kernel(x: float, a: float = -0.5) -> float:
    """Keys' cubic convolution kernel (Keys 1981, eq. 12), zero for ``|x| >= 2``."""
    x = abs(x)
    if x <= 1:
        return ((a + 2) * x - (a + 3)) * x * x + 1.0
    if x < 2:
        return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return 0.0


def linear_kernel(x: float) -> float:
    """The triangle ``1 - |x|``, zero for ``|x| >= 1``."""
    return max(1 - abs(x), 0.0)


def enlarge(image: Tensor, scale: int | Sequence[int], kind: Interpolation = "cubic") -> Tensor:
    """Enlarge ``(B, C, *S)`` to ``(B, C, *S·scale)``; floating point, differentiable."""
    for axis, factor in _axes(image, scale):
        if factor > 1:
            image = _apply(image, axis, 1, _enlarging_taps(factor, kind))
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
            image = _apply(image, axis, factor, _shrinking_taps(factor))
            if after_each_axis:
                image = after_each_axis(image)
    return image


def reduced(image: Tensor, taken: Sequence[int], given: Sequence[int]) -> Tensor:
    """Make of each `taken` pixels along an axis as many as `given`, by points and not by areas.

    This is torch's and ncnn's ``bicubic``: four pixels around each point, Keys' kernel with
    a = -3/4, not antialiased. Sizes must be multiples of `taken`.
    """
    for axis, (before, after) in enumerate(zip(taken, given, strict=True), start=2):
        if before != after:
            image = _apply(image, axis, before, _reducing_taps(before, after))
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


# The taps are plain numbers, so that a compiler or an exporter sees constants.


def _enlarging_taps(factor: int, kind: Interpolation) -> list[Taps]:
    """Return for each of `factor` phases the offsets from the LR pixel, and their weights."""
    return [_enlarging_phase((phase + 0.5) / factor - 0.5, kind) for phase in range(factor)]


def _enlarging_phase(centre: float, kind: Interpolation) -> Taps:
    if kind == "nearest":
        return [0], [1.0]
    kernel, reach = {"linear": (linear_kernel, 1), "cubic": (keys_kernel, 2)}[kind]
    offsets = [floor(centre) + step for step in range(1 - reach, 1 + reach)]
    return offsets, _normalised([kernel(centre - offset) for offset in offsets])


def _shrinking_taps(factor: int) -> list[Taps]:
    """Return for the only phase the offsets from the first HR pixel under an LR pixel."""
    centre = (factor - 1) / 2
    candidates = range(-2 * factor, 3 * factor)
    offsets = [offset for offset in candidates if keys_kernel((offset - centre) / factor)]
    return [(offsets, _normalised([keys_kernel((at - centre) / factor) for at in offsets]))]


def _reducing_taps(taken: int, given: int) -> list[Taps]:
    """Return for each point the offsets from the first of the pixels taken, and their weights."""
    phases = []
    for phase in range(given):
        centre = (phase + 0.5) * taken / given - 0.5
        offsets = [floor(centre) + step for step in range(-1, 3)]
        phases.append((offsets, [keys_kernel(centre - at, a=-0.75) for at in offsets]))
    return phases


def _normalised(weights: Sequence[float]) -> list[float]:
    total = sum(weights)
    return [weight / total for weight in weights]


def _apply(image: Tensor, axis: int, stride: int, phases: Sequence[Taps]) -> Tensor:
    """Sum the taps along one axis: one result for each phase, from every `stride` pixels."""
    # Views of one wider image: to gather every tap anew took a third of a network's time.
    before = -min(min(offsets) for offsets, _ in phases)
    after = max(max(offsets) for offsets, _ in phases) + 1 - stride
    wider = border_repeated(image, axis, before, after)
    reach = image.shape[axis] - stride + 1
    results = []
    for offsets, weights in phases:
        starts = [offset + before for offset in offsets]
        spans = [slice(start, start + reach, stride) for start in starts]
        results.append(_weighted_sum(wider, axis, spans, weights))
    if len(results) == 1:
        return results[0]
    return torch.stack(results, dim=axis + 1).flatten(axis, axis + 1)


def _weighted_sum(
    image: Tensor, axis: int, spans: Sequence[slice], weights: Sequence[float]
) -> Tensor:
    """Add views of one axis, each times its weight."""
    total = image.new_zeros(())
    factors = torch.tensor(weights, dtype=image.dtype, device=image.device)
    for span, weight in zip(spans, factors.view(-1, *[1] * image.ndim), strict=True):
        view = image[(*[slice(None)] * axis, span)]
        total = total + view * weight
    return total
