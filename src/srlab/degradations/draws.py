"""Random numbers and choices, all from one torch generator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import TypeVar

import torch
from torch import Tensor

from srlab.degradations.ranges import Range

Choice = TypeVar("Choice")


class Draws:
    """Draws random numbers, choices and fields of noise from a torch generator."""

    def __init__(self, generator: torch.Generator) -> None:
        self.generator = generator

    def uniform(self, limits: Range) -> float:
        """Draw a number between two limits, uniformly."""
        low, high = limits
        return low + (high - low) * self._share()

    def happens(self, share: float) -> bool:
        """Return true with the probability `share`."""
        return self._share() < share

    def one_of(self, choices: Sequence[Choice]) -> Choice:
        """Draw one of equally likely choices."""
        return choices[int(self._share() * len(choices))]

    def weighted(self, shares: Mapping[Choice, float]) -> Choice:
        """Draw a key of `shares`; its value is its probability, and the values sum to one."""
        place = self._share()
        for choice, limit in zip(shares, accumulate(shares.values()), strict=True):
            if place < limit:
                return choice
        return choice  # the sum may fall short of one by rounding

    def normal(self, like: Tensor) -> Tensor:
        """Draw a field of standard normal numbers, of the shape and type of `like`."""
        return torch.randn(
            like.shape, dtype=like.dtype, device=like.device, generator=self.generator
        )

    def counts(self, mean: Tensor) -> Tensor:
        """Draw a field of Poisson numbers with the given means."""
        return torch.poisson(mean, generator=self.generator)

    def _share(self) -> float:
        """Draw a number from 0 to below 1."""
        # It is drawn in float64, since a float32 number just below 1 could be rounded to 1.
        device = self.generator.device
        number = torch.rand((), dtype=torch.float64, device=device, generator=self.generator)
        return float(number)
