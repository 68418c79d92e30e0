"""The loss scale of float16, which keeps small gradients from becoming zero."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.amp import GradScaler
from torch.optim import Optimizer


class LossScale:
    """Removes the loss scale from gradients, and adapts the scale once per update.

    Lightning multiplies losses by the scale of its `scaler`. Lightning's own optimiser steps are
    not used, since they would adapt the scale once per optimiser and wait for the device. Only the
    precision ``16-mixed`` has a scaler. Without one, the methods do nothing.
    """

    def __init__(self, scaler: GradScaler | None) -> None:
        self._scaler = scaler

    def unscale(self, optimisers: Iterable[Optimizer]) -> None:
        """Divide the gradients of `optimisers` by the scale; the scaler notes an overflow."""
        if self._scaler is not None:
            for optimiser in optimisers:
                self._scaler.unscale_(optimiser)

    def overflowed(self, losses: Iterable[Tensor], norms: Iterable[Tensor]) -> Tensor | None:
        """Return, on the device, whether the scale made gradients infinite; None without a scaler.

        The scale is taken as the reason if all losses are finite and the scale is above 1.
        """
        if self._scaler is None:
            return None
        finite = _all_finite(losses)
        scale: Tensor = self._scaler.scale(torch.ones((), device=finite.device))
        return finite & ~_all_finite(norms) & (scale > 1)

    def update(self) -> None:
        """Halve the scale after an overflow, and double it after many updates without one."""
        if self._scaler is not None:
            self._scaler.update()


def _all_finite(values: Iterable[Tensor]) -> Tensor:
    return torch.stack([value.isfinite() for value in values]).all()
