"""How far an input pixel reaches into a network's output."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor

_LONGEST_STRIP = 1024


def receptive_field(generator: Any) -> tuple[int | None, ...]:  # noqa: ANN401 (any module with in_channels and scale)
    """Radius of the receptive field along each spatial axis, in LR pixels, rounded up.

    A tile with this much overlap gives what the whole image gives. None along an axis means that a layer sees
    everything (attention, global pooling) or that the radius exceeds 500 pixels.

    One NaN goes into an LR strip along the axis, in float64 and evaluation mode, and how far it travels is read
    from the output: exact, also through layers that are initialised to zero, where a gradient would see nothing.
    """
    probe = copy.deepcopy(generator).eval().to(device="cpu", dtype=torch.float64)
    return tuple(_radius(probe, axis) for axis in range(len(generator.scale)))


def _radius(probe: Any, axis: int) -> int | None:  # noqa: ANN401
    length = 64
    while length <= _LONGEST_STRIP:
        reached = _reached(probe, axis, length)
        if not (reached[0] or reached[-1]):
            distance = (reached.nonzero().flatten() - length // 2).abs()
            return int(distance.max())
        length *= 4
    return None


@torch.inference_mode()
def _reached(probe: Any, axis: int, length: int) -> Tensor:  # noqa: ANN401
    """Return for each LR pixel of a strip whether a NaN in the middle reaches any output pixel above it."""
    dims = len(probe.scale)
    size = [1] * dims
    size[axis] = length
    strip = torch.zeros(1, probe.in_channels, *size, dtype=torch.float64)
    strip.select(2 + axis, length // 2).fill_(torch.nan)
    output = probe(strip)
    touched: Tensor = output.isnan().movedim(2 + axis, 0).flatten(1).any(dim=1)
    return touched.view(length, probe.scale[axis]).any(dim=1)
