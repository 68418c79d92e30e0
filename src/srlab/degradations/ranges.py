"""Settings that are a number, or a range from which each image draws one."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, isfinite

import torch
from torch import Tensor

from srlab.mistakes import Mistake

Range = tuple[float, float]


def check_range(
    name: str, value: float | Sequence[float], *, least: float = -inf, most: float = inf
) -> Range:
    """Return a range as ``(low, high)``; a single number is both.

    Raises a `Mistake` that names the argument unless ``least <= low <= high <= most``.
    """
    numbers = [value] if isinstance(value, float | int) else list(value)
    low, high = numbers[0], numbers[-1]
    within = least <= low <= high <= most and isfinite(low) and isfinite(high)
    if len(numbers) not in (1, 2) or not within:
        raise Mistake(
            f"{name} is {value}; give a number from {least:g} to {most:g}, or [low, high] of such."
        )
    return float(low), float(high)


def drawn(limits: Range, image: Tensor, generator: torch.Generator) -> Tensor:
    """Draw a uniform number for each image of a batch, shaped to broadcast over ``(B, C, *S)``."""
    low, high = limits
    shape = (len(image), *[1] * (image.ndim - 1))
    uniform = torch.rand(shape, dtype=image.dtype, device=image.device, generator=generator)
    return low + (high - low) * uniform
