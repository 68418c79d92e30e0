"""Images that agree with a measurement, and that a type of integers can hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from srlab.axes import Window, enlarged
from srlab.degradations.projection import Projection

ROUNDS = 8
"""The most rounds in which further pixels are held."""

STEPS = 40
"""The most steps of a round."""


@dataclass(frozen=True)
class Bounds:
    """The lowest and highest values of each channel, ``(C,)``, and the `steps` between values.

    What is beyond them by no more than half a step is rounded to them.
    """

    low: Tensor
    high: Tensor
    steps: Tensor

    def hold(self, image: Tensor) -> Tensor:
        """Bring ``(B, C, *S)`` to the nearest values within."""
        low, high, _ = self._shaped(image)
        return torch.minimum(torch.maximum(image, low), high)

    def beyond(self, image: Tensor) -> Tensor:
        """Mark what is beyond them in ``(B, C, *S)``."""
        low, high, steps = self._shaped(image)
        return (image < low - steps / 2) | (image > high + steps / 2)

    def _shaped(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        shape = (-1, *[1] * (image.ndim - 2))
        low, high, steps = (
            each.to(image).view(shape) for each in (self.low, self.high, self.steps)
        )
        return low, high, steps


def bounded(
    projection: Projection, image: Tensor, bounds: Bounds, *, reach: Sequence[int | None]
) -> Tensor:
    """Return an image near ``(B, C, *S·scale)`` that degrades to the same, and is within bounds.

    A projected image may be darker than black beside a bright edge, and the file would clip it. The
    pixels that are beyond the bounds are held at these, and the others change as little as possible
    to make up for them. Where that drives further pixels beyond the bounds, they are held, too (an
    active-set method). All this goes on in windows around such pixels. They end at the `reach` of a
    projection along each axis, in LR pixels. With None they end with the image.

    Where no such image is found, the one is returned that degrades to less of a difference once it
    is clipped.
    """
    result = image.clone()
    for number, beyond in enumerate(bounds.beyond(image)):
        for window in _windows(beyond.any(dim=0), projection.scale, reach):
            place = (slice(number, number + 1), slice(None), *window)
            result[place] = _held(projection, result[place], bounds)
    return result


def _held(projection: Projection, image: Tensor, bounds: Bounds) -> Tensor:
    """Return one window of the image, with what lies beyond the bounds held at these."""
    allowed = bounds.steps.min().to(image) / 8
    change, held, now = torch.zeros_like(image), torch.zeros_like(image, dtype=torch.bool), image
    for _ in range(ROUNDS):
        beyond = bounds.beyond(now)
        if not bool(beyond.any()):
            break
        held |= beyond
        change = torch.where(held, bounds.hold(now) - image, change)
        rest = -projection.degrade(change)
        # A masked adjoint is the smallest change that does it, and the sum of two is one, too.
        change = change + projection.lifted(rest, allowed, free=~held, steps=STEPS)[0]
        now = image + change
    differences = [
        float(projection.degrade(bounds.hold(each) - image).abs().max()) for each in (now, image)
    ]
    return now if differences[0] <= differences[1] else image


def _windows(beyond: Tensor, scale: Sequence[int], reach: Sequence[int | None]) -> Iterator[Window]:
    """Yield windows of whole LR pixels, in HR pixels, around what is marked ``(*S·scale)``.

    None of them overlaps another, so that nothing marked lies near the border of any.
    """
    marked = beyond.cpu().numpy().astype(np.uint8)
    for axis, (factor, pixels) in enumerate(zip(scale, reach, strict=True)):
        starts = np.arange(0, marked.shape[axis], factor)
        marked = np.maximum.reduceat(marked, starts, axis=axis)
        width = 2 * (len(starts) if pixels is None else pixels) + 1
        marked = ndimage.maximum_filter1d(marked, width, axis=axis, mode="constant")
    while True:
        regions = ndimage.find_objects(ndimage.label(marked)[0])
        before, marked = marked, np.zeros_like(marked)
        for region in regions:
            marked[region] = 1
        if np.array_equal(marked, before):
            break
    for region in regions:
        yield enlarged(region, scale)
