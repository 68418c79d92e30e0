"""Images that agree with LR and lie within the range of values that a file can store."""

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
"""The largest number of rounds, in each of which further pixels may be held."""

STEPS = 40
"""The largest number of conjugate-gradient steps in a round."""


@dataclass(frozen=True)
class Bounds:
    """The lowest and highest values of each channel, ``(C,)``, and the `steps` between values.

    Values beyond them by at most half a step count as within, since rounding brings them back.
    """

    low: Tensor
    high: Tensor
    steps: Tensor

    def hold(self, image: Tensor) -> Tensor:
        """Clamp ``(B, C, *S)`` to the bounds of each channel."""
        low, high, _ = self._shaped(image)
        return torch.minimum(torch.maximum(image, low), high)

    def beyond(self, image: Tensor) -> Tensor:
        """Return ``(B, C, *S)``: true where a value is beyond the bounds."""
        low, high, steps = self._shaped(image)
        return (image < low - steps / 2) | (image > high + steps / 2)

    def _shaped(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        shape = (-1, *[1] * (image.ndim - 2))
        low, high = self.low.to(image).view(shape), self.high.to(image).view(shape)
        return low, high, self.steps.to(image).view(shape)


def bounded(
    projection: Projection, image: Tensor, bounds: Bounds, *, reach: Sequence[int | None]
) -> Tensor:
    """Return an image near ``(B, C, *S·scale)`` that degrades to the same LR and is within bounds.

    A projected image may be darker than black beside a bright edge, and a file would clip it. This
    is an active-set method. Pixels beyond the bounds are held there, and the others change as
    little as possible to compensate. Where that drives further pixels beyond the bounds, they are
    held, too.

    Only windows around such pixels change. They extend by the `reach` of the projection along each
    axis, in LR pixels, or to the ends of the axis where that is None.

    If no such image is found in a window, the better of the last one and the original is returned:
    the one whose clipped version degrades to LR with less of a difference.
    """
    result = image.clone()
    for number, beyond in enumerate(bounds.beyond(image)):
        for window in _windows(beyond.any(dim=0), projection.scale, reach):
            place = (slice(number, number + 1), slice(None), *window)
            result[place] = _held(projection, result[place], bounds)
    return result


def _held(projection: Projection, image: Tensor, bounds: Bounds) -> Tensor:
    """Return one window of the image, with values beyond the bounds held at the bounds."""
    allowed = bounds.steps.min().to(image) / 8
    change, held, now = torch.zeros_like(image), torch.zeros_like(image, dtype=torch.bool), image
    for _ in range(ROUNDS):
        beyond = bounds.beyond(now)
        if not bool(beyond.any()):
            break
        held |= beyond
        change = torch.where(held, bounds.hold(now) - image, change)
        rest = -projection.degrade(change)
        # The masked adjoint gives the smallest compensating change of the free pixels.
        change = change + projection.lifted(rest, allowed, free=~held, steps=STEPS)[0]
        now = image + change

    def error_when_clipped(candidate: Tensor) -> float:
        return float(projection.degrade(bounds.hold(candidate) - image).abs().max())

    return now if error_when_clipped(now) <= error_when_clipped(image) else image


def _windows(beyond: Tensor, scale: Sequence[int], reach: Sequence[int | None]) -> Iterator[Window]:
    """Yield windows of whole LR pixels, in HR pixels, around the marked pixels ``(*S·scale)``.

    Windows that would overlap are merged, so no marked pixel lies near the border of any.
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
