"""The scale of losses in float16, which keeps small gradients from becoming zero."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.amp import GradScaler
from torch.optim import Optimizer


class LossScale:
    """Takes the scale out of the gradients of all optimisers, and moves it once an update.

    Lightning multiplies losses by the scale of its `scaler`. Its own optimiser steps would move the
    scale after each optimiser, and wait for the device. Only the precision ``16-mixed`` has a
    scaler; without one nothing happens.
    """

    def __init__(self, scaler: GradScaler | None) -> None:
        self._scaler = scaler

    def unscale(self, optimisers: Iterable[Optimizer]) -> None:
        """Divide the gradients of `optimisers` by the scale, and note whether they overflowed."""
        if self._scaler is not None:
            for optimiser in optimisers:
                self._scaler.unscale_(optimiser)

    def overflowed(self, losses: Iterable[Tensor], norms: Iterable[Tensor]) -> Tensor | None:
        """Whether the scale made gradients infinite: a boolean on the device; None without a scale.

        The scale is to blame if the losses are finite, until it has fallen to 1.
        """
        if self._scaler is None:
            return None
        finite = _all_finite(losses)
        scale: Tensor = self._scaler.scale(torch.ones((), device=finite.device))
        return finite & ~_all_finite(norms) & (scale > 1)

    def update(self) -> None:
        """Halve the scale after an overflow; double it after many updates without one."""
        if self._scaler is not None:
            self._scaler.update()


def _all_finite(values: Iterable[Tensor]) -> Tensor:
    return torch.stack([value.isfinite() for value in values]).all()
