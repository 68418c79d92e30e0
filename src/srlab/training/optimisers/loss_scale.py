"""The loss scale of float16, which keeps small gradients from becoming zero."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.amp import GradScaler
from torch.optim import Optimizer


class LossScale:
    """Removes the scale from the gradients of all optimisers, and adapts it once per update.

    Lightning multiplies losses by the scale of its `scaler`. Its own optimiser steps would adapt
    the scale after each optimiser, and wait for the device. Only the precision ``16-mixed`` has a
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
        """Return, on the device, whether the scale made gradients infinite; None without a scale.

        The scale is the reason if the losses are finite and it is still above 1.
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
