"""Separable resampling by an integer factor along each axis, in 2D and 3D.

The cubic kernel is that of Keys with ``a = -1/2`` (Keys 1981, eq. 15). The results equal those of
MATLAB's ``imresize(x, s, "bicubic")``. The degradation, the skip connections and the baseline use
it.

The centres of pixels lie at half integers, and the border pixels are repeated outwards. When an
image is shrunk, the kernel is widened by the factor, which avoids aliasing.

The phase of an output pixel is its position relative to the input pixels. The weights depend only
on the phase, so a tile gives the same bits as the whole image.
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
"""The input pixels of an output pixel: their offsets along an axis, and their weights."""


def check_interpolation(kind: Interpolation, *, argument: str) -> Interpolation:
    """Return `kind` if it is known; raise a `Mistake` that names the argument otherwise."""
    if kind not in get_args(Interpolation):
        raise Mistake(
            f"{argument} is {kind!r}; it must be one of {', '.join(get_args(Interpolation))}."
        )
    return kind


def keys_kernel(x: float, a: float = -0.5) -> float:
    """Return the weight of Keys' cubic kernel (Keys 1981, eq. 12), zero for ``|x| >= 2``."""
    x = abs(x)
    if x <= 1:
        return ((a + 2) * x - (a + 3)) * x * x + 1.0
    if x < 2:
        return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return 0.0


def linear_kernel(x: float) -> float:
    """Return the weight of the linear kernel ``1 - |x|``, zero for ``|x| >= 1``."""
    return max(1 - abs(x), 0.0)


def enlarge(image: Tensor, scale: int | Sequence[int], kind: Interpolation = "cubic") -> Tensor:
    """Interpolate ``(B, C, *S)`` to ``(B, C, *S·scale)``; the result is differentiable.

    Raises a `Mistake` if the image is not of floating point.
    """
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
    """Shrink ``(B, C, *S·scale)`` to ``(B, C, *S)`` by the cubic kernel, with antialiasing.

    `after_each_axis` is applied to the image after each axis. MATLAB rounds integer images there.

    Raises a `Mistake` if the image is not of floating point, or a size is not a multiple of the
    factor.
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
    """Resample each axis by the factor ``given / taken``, as ``bicubic`` of torch and ncnn does.

    Every `taken` pixels become `given` points. Each point is interpolated from four pixels by Keys'
    kernel with ``a = -3/4``, without antialiasing. Sizes must be multiples of `taken`.
    """
    for axis, (before, after) in enumerate(zip(taken, given, strict=True), start=2):
        if before != after:
            image = _apply(image, axis, before, _reducing_taps(before, after))
    return image


def border_repeated(image: Tensor, axis: int, before: int, after: int) -> Tensor:
    """Repeat the border pixels of one axis, `before` times at its start and `after` at its end."""
    size = image.shape[axis]
    positions = torch.arange(-before, size + after, device=image.device).clamp(0, size - 1)
    return image.index_select(axis, positions)


def _axes(image: Tensor, scale: int | Sequence[int]) -> list[tuple[int, int]]:
    """Return each spatial axis of an image with its factor."""
    if not image.is_floating_point():
        raise Mistake(
            f"resampling needs floating point, got {image.dtype}: convert the image with .float() "
            "first."
        )
    return list(enumerate(per_axis(scale, image.ndim - 2), start=2))


# Taps are Python numbers, not tensors, so that torch.compile and torch.export see constants.


def _enlarging_taps(factor: int, kind: Interpolation) -> list[Taps]:
    """Return the taps of each of `factor` phases, with offsets from the LR pixel."""
    centres = [(phase + 0.5) / factor - 0.5 for phase in range(factor)]
    return [_taps_around(centre, kind) for centre in centres]


def _taps_around(centre: float, kind: Interpolation) -> Taps:
    """Return the taps of a point; its position `centre` is measured from the LR pixel's centre."""
    if kind == "nearest":
        return [0], [1.0]
    kernel, reach = (linear_kernel, 1) if kind == "linear" else (keys_kernel, 2)
    offsets = [floor(centre) + step for step in range(1 - reach, 1 + reach)]
    weights = [kernel(centre - offset) for offset in offsets]
    return offsets, _normalised(weights)


def _shrinking_taps(factor: int) -> list[Taps]:
    """Return the taps of the only phase, with offsets from the first HR pixel in an LR pixel."""
    centre = (factor - 1) / 2
    candidates = range(-2 * factor, 3 * factor)
    offsets = [offset for offset in candidates if keys_kernel((offset - centre) / factor)]
    weights = [keys_kernel((offset - centre) / factor) for offset in offsets]
    return [(offsets, _normalised(weights))]


def _reducing_taps(taken: int, given: int) -> list[Taps]:
    """Return the taps of each of `given` points, with offsets from the first of `taken` pixels."""
    phases = []
    for phase in range(given):
        centre = (phase + 0.5) * taken / given - 0.5
        offsets = [floor(centre) + step for step in range(-1, 3)]
        weights = [keys_kernel(centre - offset, a=-0.75) for offset in offsets]
        phases.append((offsets, weights))
    return phases


def _normalised(weights: Sequence[float]) -> list[float]:
    total = sum(weights)
    return [weight / total for weight in weights]


def _apply(image: Tensor, axis: int, stride: int, phases: Sequence[Taps]) -> Tensor:
    """Resample one axis: every `stride` input pixels give one output pixel for each phase."""
    # Taps are views of one padded image. Gathering each of them took a third of a network's time.
    lowest = min(min(offsets) for offsets, _ in phases)
    highest = max(max(offsets) for offsets, _ in phases)
    padded = border_repeated(image, axis, before=-lowest, after=highest + 1 - stride)

    span_length = image.shape[axis] - stride + 1
    results = []
    for offsets, weights in phases:
        starts = [offset - lowest for offset in offsets]
        spans = [slice(start, start + span_length, stride) for start in starts]
        results.append(_weighted_sum(padded, axis, spans, weights))

    if len(results) == 1:
        return results[0]
    # The phases of an input pixel become neighbouring output pixels.
    return torch.stack(results, dim=axis + 1).flatten(axis, axis + 1)


def _weighted_sum(
    image: Tensor, axis: int, spans: Sequence[slice], weights: Sequence[float]
) -> Tensor:
    """Return the weighted sum of views of an image, each of which is a span of one axis."""
    whole = slice(None)
    factors = torch.tensor(weights, dtype=image.dtype, device=image.device)
    factors = factors.view(-1, *[1] * image.ndim)

    total = image.new_zeros(())
    for span, factor in zip(spans, factors, strict=True):
        view = image[(*[whole] * axis, span)]
        total = total + view * factor
    return total
