"""Degradations of images, applied to the planes of volumes."""

from __future__ import annotations

import torch
from torch import Tensor

from srlab.degradations.protocol import Degradation


class InPlanes:
    """Degrades volumes by a degradation of images, plane by plane.

    The first axis of the planes is the axis `across` of the volumes, from 0. The second is the last
    of the remaining axes. This makes slices thick in the same way as in the training of a model of
    such planes.
    """

    def __init__(self, planes: Degradation, *, across: int) -> None:
        self._planes = planes
        self.linear = planes.linear
        self._walked, self._seen = (axis for axis in range(3) if axis != across)
        self._across = across
        factors = {across: planes.scale[0], self._seen: planes.scale[1], self._walked: 1}
        self.scale = tuple(factors[axis] for axis in range(3))

    def __call__(self, hr: Tensor, *, generator: torch.Generator) -> Tensor:
        """Degrade HR ``(B, C, *S·scale)`` to LR ``(B, C, *S)``, with three axes in S."""
        order = (0, 2 + self._walked, 1, 2 + self._across, 2 + self._seen)
        volumes = hr.permute(order)
        lr = self._planes(volumes.flatten(0, 1), generator=generator)
        lr = lr.reshape(*volumes.shape[:2], *lr.shape[1:])
        return lr.permute([order.index(axis) for axis in range(5)])
