"""Volumes of thick slices through a model of images, in the planes across these slices.

There are two ways to cut a volume into such planes. Both are done, and averaged.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from srlab.io import Description
from srlab.io.across import SPACE, Order, in_plane_last, slices_both_ways
from srlab.models.card import ModelCard
from srlab.nn.shrinking import Spare
from srlab.prediction.blocks import Network

Pixels = NDArray[np.float32]


def orders_for(card: ModelCard, description: Description) -> tuple[Order, ...]:
    """Return each order of a file's axes whose last are those that the model sees."""
    if card.across:
        return slices_both_ways("the input", description, card.across)
    return (tuple(range(len(description.shape))),)


def in_file(order: Order, values: Sequence[int], *, otherwise: int) -> tuple[int, ...]:
    """Return a value for each axis of a file, given those of a model's axes.

    A model sees the last axes of an `order`. The others have the value `otherwise`.
    """
    seen = dict(zip(order[-len(values) :], values, strict=True))
    return tuple(seen.get(axis, otherwise) for axis in range(len(order)))


def file_scale(card: ModelCard, description: Description) -> tuple[int, ...]:
    """Return the factor along each axis of a file."""
    return in_file(orders_for(card, description)[0], card.scale, otherwise=1)


def thick_axis(card: ModelCard, description: Description) -> int:
    """Return the place of the axis across the slices, from 0, among the last three of a file."""
    order = in_plane_last("the input", description, card.across)
    return order[-SPACE] - (len(order) - SPACE)


class BothWays:
    """A prediction of volumes by one of images, in both ways across the slices, averaged.

    `network` takes LR ``(N, C, A, B)`` to SR ``(N, C', A·s, B)``. The axis A of these images is the
    axis number `thick` of the volume, counted from 0. SMORE (Zhao et al. 2021) joins its two ways
    by the larger Fourier coefficient; here their mean is taken.
    """

    def __init__(self, network: Network, thick: int) -> None:
        self._network, self._thick = network, thick

    def __call__(self, lr: Pixels, spare: Spare) -> Pixels:
        """Return SR ``(N, C', *S)`` of LR ``(N, C, *S)``, finer along the thick axis alone."""
        axes = [axis for axis in range(SPACE) if axis != self._thick]
        ways = [self._along(lr, spare, axis) for axis in axes]
        return reduce(np.add, ways) / np.float32(len(ways))

    def _along(self, lr: Pixels, spare: Spare, walked: int) -> Pixels:
        """Predict the planes that follow each other along the axis `walked` of the volume."""
        (other,) = {0, 1, 2} - {walked, self._thick}
        order = (0, 2 + walked, 1, 2 + self._thick, 2 + other)
        volumes = lr.transpose(order)
        images = volumes.reshape(-1, *volumes.shape[2:])
        sr = self._network(np.ascontiguousarray(images), (spare[self._thick], spare[other]))
        return sr.reshape(*volumes.shape[:2], *sr.shape[1:]).transpose(np.argsort(order))
