"""A degradation of images, applied to the planes of volumes."""

from __future__ import annotations

import torch
from torch import Tensor

from srlab.degradations.protocol import Degradation


class InPlanes:
    """Degrades volumes ``(B, C, *S)`` plane by plane, with a degradation of images.

    The first axis of each plane is the axis `across` of the volume, counted from 0. Its second axis
    is the last of the other two axes. A model of thick slices is trained on such planes, so this
    makes slices thick in the same way as its training.
    """

    def __init__(self, planes: Degradation, *, across: int) -> None:
        self._planes = planes
        self.linear = planes.linear
        self._across = across
        # A plane lies at each place of the stacked axis, and extends along the in-plane axis.
        self._stacked, self._in_plane = (axis for axis in range(3) if axis != across)
        factors = {across: planes.scale[0], self._in_plane: planes.scale[1], self._stacked: 1}
        self.scale = tuple(factors[axis] for axis in range(3))

    def __call__(self, hr: Tensor, *, generator: torch.Generator) -> Tensor:
        """Degrade HR ``(B, C, *S·scale)`` to LR ``(B, C, *S)``, with three axes in S."""
        order = (0, 2 + self._stacked, 1, 2 + self._across, 2 + self._in_plane)
        by_plane = hr.permute(order)
        batch, count = by_plane.shape[:2]
        lr = self._planes(by_plane.flatten(0, 1), generator=generator)
        lr = lr.reshape(batch, count, *lr.shape[1:])
        inverse_order = [order.index(axis) for axis in range(5)]
        return lr.permute(inverse_order)
