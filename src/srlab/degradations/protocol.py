"""The interface of degradations."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor


class Degradation(Protocol):
    """A model of how LR images come from HR ones, in physical units, on any device."""

    @property
    def scale(self) -> tuple[int, ...]:
        """The factor along each spatial axis."""

    @property
    def linear(self) -> bool:
        """Whether LR is a linear function of HR, so that `adjoint` is exact."""

    def __call__(self, hr: Tensor, *, generator: torch.Generator) -> Tensor:
        """Degrade HR ``(B, C, *S·scale)`` to LR ``(B, C, *S)``.

        All random numbers come from `generator`.
        """
