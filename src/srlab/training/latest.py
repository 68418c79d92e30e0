"""Latest: keeps values that only some updates compute, so that every log entry has them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn


class Latest(nn.Module):
    """Keeps the last value of each name, since not every logged update has one.

    The values are part of the checkpoint, so that a resumed run logs the same.
    """

    values: Tensor

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self.names = tuple(names)
        # Infinity means that there is no value yet.
        self.register_buffer("values", torch.full((len(self.names),), torch.inf))

    @torch.no_grad()
    def note(self, values: Mapping[str, Tensor]) -> None:
        """Keep the `values` whose names are to be kept."""
        for number, name in enumerate(self.names):
            if name in values:
                self.values[number] = values[name]

    def known(self) -> dict[str, float]:
        """Return the values known so far; the host waits for the device."""
        pairs = zip(self.names, self.values.tolist(), strict=True)
        return {name: value for name, value in pairs if math.isfinite(value)}
