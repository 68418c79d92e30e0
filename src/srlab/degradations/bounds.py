"""Projection of SR onto images that degrade to LR and fit into the value range of a file."""

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
"""The largest number of rounds, in each of which further pixels may be held at the bounds."""

STEPS = 40
"""The largest number of conjugate-gradient steps in a round."""


@dataclass(frozen=True)
class Bounds:
    """The range of values that a file can store, for each channel.

    A value outside by at most half a step counts as inside, since rounding brings it back.
    """

    low: Tensor
    """The lowest value of each channel, ``(C,)``."""

    high: Tensor
    """The highest value of each channel, ``(C,)``."""

    steps: Tensor
    """The distance between neighbouring values of each channel, ``(C,)``."""

    def hold(self, image: Tensor) -> Tensor:
        """Clamp ``(B, C, *S)`` to the bounds of each channel."""
        low, high, _ = self._shaped(image)
        return torch.minimum(torch.maximum(image, low), high)

    def beyond(self, image: Tensor) -> Tensor:
        """Return a mask of the values of ``(B, C, *S)`` that are beyond the bounds."""
        low, high, steps = self._shaped(image)
        return (image < low - steps / 2) | (image > high + steps / 2)

    def _shaped(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the lowest values, the highest ones and the steps, to broadcast over an image."""
        shape = (-1, *[1] * (image.ndim - 2))
        low = self.low.to(image).view(shape)
        high = self.high.to(image).view(shape)
        steps = self.steps.to(image).view(shape)
        return low, high, steps


def bounded(
    projection: Projection, image: Tensor, bounds: Bounds, *, reach: Sequence[int | None]
) -> Tensor:
    """Return an image near ``(B, C, *S·scale)`` that degrades to the same LR and is within bounds.

    A projected image may be darker than black beside a bright edge. A file would clip such pixels,
    so that the image no longer agreed with LR. This function uses an active-set method instead. It
    holds pixels beyond the bounds at the bounds, and changes the other pixels as little as possible
    to compensate. If that drives further pixels beyond the bounds, it holds them, too.

    Only windows around such pixels change. They extend by the `reach` of the projection along each
    axis, in LR pixels. If the reach is None, they extend to the ends of the axis.

    If a window needs too many rounds, it becomes the last image or stays the original. Of the two,
    the one is taken that agrees better with LR after clipping.
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
    change = torch.zeros_like(image)
    held = torch.zeros_like(image, dtype=torch.bool)
    now = image
    for _ in range(ROUNDS):
        beyond = bounds.beyond(now)
        if not bool(beyond.any()):
            break
        held |= beyond
        change = torch.where(held, bounds.hold(now) - image, change)
        difference = -projection.degrade(change)
        # Of all changes of the free pixels that compensate, this is the smallest.
        compensation, _ = projection.lifted(difference, allowed, free=~held, steps=STEPS)
        change = change + compensation
        now = image + change

    def error_when_clipped(candidate: Tensor) -> float:
        clipped = bounds.hold(candidate)
        return float(projection.degrade(clipped - image).abs().max())

    if error_when_clipped(now) <= error_when_clipped(image):
        return now
    return image


def _windows(beyond: Tensor, scale: Sequence[int], reach: Sequence[int | None]) -> Iterator[Window]:
    """Yield windows around the marked pixels of a mask ``(*S·scale)``, in HR pixels.

    Windows consist of whole LR pixels. Those that overlap are merged, so that no marked pixel lies
    near the border of a window.
    """
    marked = beyond.cpu().numpy().astype(np.uint8)
    for axis, (factor, pixels) in enumerate(zip(scale, reach, strict=True)):
        starts = np.arange(0, marked.shape[axis], factor)
        marked = np.maximum.reduceat(marked, starts, axis=axis)
        radius = len(starts) if pixels is None else pixels
        marked = ndimage.maximum_filter1d(marked, 2 * radius + 1, axis=axis, mode="constant")

    # Regions are filled up to rectangles, which may then touch, until nothing changes.
    while True:
        labels, _ = ndimage.label(marked)
        regions = ndimage.find_objects(labels)
        before = marked
        marked = np.zeros_like(marked)
        for region in regions:
            marked[region] = 1
        if np.array_equal(marked, before):
            break
    for region in regions:
        yield enlarged(region, scale)
