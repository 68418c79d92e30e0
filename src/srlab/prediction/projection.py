"""Tiles whose SR agrees with their LR, and the two parts of such SR.

Each tile is projected with its overlap. Far enough from a cut that gives what the whole scene would
give, projected at once. So the result depends on the grid of tiles alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from srlab.axes import Window
from srlab.degradations import Projection
from srlab.io.across import Order
from srlab.models.agreement import Agreement

Pixels = NDArray[np.float32]

TOLERANCE = 2e-5
"""The share of the largest LR value that may be left: twice what a projection itself may leave."""

OVERLAPS = (0, 2, 4, 6, 8, 10, 12, 16, 20, 24, 32, 48)
"""The overlaps that are tried, in LR pixels."""

HALF = 64
"""LR pixels on each side of the cut that is tried; more than any overlap."""


def projection_reach(agreement: Agreement) -> tuple[int | None, ...]:
    """Return the overlap along each axis, in LR pixels, by which no cut between tiles shows.

    It is measured on noise that is cut in the middle, where both sides keep an overlap. It is
    enough if the two, put together, degrade to LR within `TOLERANCE`. None says that no overlap is:
    the degradation sees the whole axis, as k-space does.
    """
    channels = len(agreement.channels)
    axes = range(len(agreement.projection.scale))
    return tuple(_reach(agreement.projection, axis, channels) for axis in axes)


def _reach(projection: Projection, axis: int, channels: int) -> int | None:
    """Return the smallest of `OVERLAPS` that is enough along one axis, or None."""
    sides = [1] * len(projection.scale)
    sides[axis] = 2 * HALF
    finer = [side * factor for side, factor in zip(sides, projection.scale, strict=True)]
    random = torch.Generator().manual_seed(0)
    lr = torch.rand(1, channels, *sides, generator=random)
    sr = torch.rand(1, channels, *finer, generator=random)
    for overlap in OVERLAPS:
        rest = projection.degrade(_halves(projection, sr, lr, 2 + axis, overlap)) - lr
        if float(rest.abs().max()) <= TOLERANCE:
            return overlap
    return None


def _halves(projection: Projection, sr: Tensor, lr: Tensor, axis: int, overlap: int) -> Tensor:
    """Project the two halves along an axis with an overlap, and put them together."""
    factor = projection.scale[axis - 2]
    halves = []
    for start, core in ((0, 0), (HALF - overlap, overlap)):
        own = lr.narrow(axis, start, HALF + overlap)
        finer = sr.narrow(axis, start * factor, (HALF + overlap) * factor)
        halves.append(projection(finer, own).narrow(axis, core * factor, HALF * factor))
    return torch.cat(halves, dim=axis)


class Agreeing:
    """Makes the SR of a tile agree with its LR, and adds its two parts if these are wanted.

    `order` has the axes of the file, those that the model sees last (`orders_for`). Along the
    others each place is an image of its own. `parts` adds two channels for each channel of the
    model: first what LR determines of each, then what the network added.
    """

    def __init__(
        self,
        agreement: Agreement,
        *,
        order: Order,
        device: str | torch.device = "cpu",
        parts: bool = False,
    ) -> None:
        self._agreement, self._order = agreement, order
        self._device, self._parts = torch.device(device), parts

    def __call__(self, sr: Pixels, lr: Pixels, inside: Window) -> Pixels:
        """Return SR ``(C'', *S·scale)`` of a tile's SR ``(C', *S·scale)`` and LR ``(C, *S)``.

        Only what lies `inside` the scene is changed, a window of LR, since beyond its borders there
        is nothing to agree with. Channels of SR after those of the model, such as a transparency,
        stay as they are.
        """
        count = len(self._agreement.channels)
        scale = [a // b for a, b in zip(sr.shape[1:], lr.shape[1:], strict=True)]
        target = (slice(0, count), *_enlarged(inside, scale))
        seen = self._images(lr[(slice(None), *inside)])
        agreed = self._agreement(self._images(sr[target]), seen)
        result = np.zeros((len(sr) + 2 * count * self._parts, *sr.shape[1:]), np.float32)
        result[: len(sr)] = sr
        result[target] = self._pixels(agreed, sr[target].shape)
        if self._parts:
            measured = self._agreement.measured(seen)
            for number, part in enumerate((measured, agreed - measured)):
                first = len(sr) + number * count
                place = (slice(first, first + count), *target[1:])
                result[place] = self._pixels(part, sr[target].shape)
        return result

    def _images(self, pixels: Pixels) -> Tensor:
        """Turn ``(C, *axes of the file)`` into images ``(N, C, *S)``."""
        moved = pixels.transpose(self._axes())
        leading = moved.ndim - 1 - self._dims
        images = np.ascontiguousarray(moved).reshape(-1, *moved.shape[leading:])
        return torch.from_numpy(images).to(self._device)

    def _pixels(self, images: Tensor, shape: Sequence[int]) -> Pixels:
        """Turn images back into ``(C, *axes of the file)``."""
        axes = self._axes()
        moved = images.cpu().numpy().reshape([shape[axis] for axis in axes])
        pixels: Pixels = moved.transpose(np.argsort(axes))
        return pixels

    @property
    def _dims(self) -> int:
        return len(self._agreement.projection.scale)

    def _axes(self) -> list[int]:
        """Return the axes of ``(C, *axes of the file)`` with those that the model sees last."""
        first = len(self._order) - self._dims
        others, seen = self._order[:first], self._order[first:]
        return [*[1 + axis for axis in others], 0, *[1 + axis for axis in seen]]


def _enlarged(window: Window, scale: Sequence[int]) -> Window:
    pairs = zip(window, scale, strict=True)
    return tuple(slice(span.start * factor, span.stop * factor) for span, factor in pairs)
