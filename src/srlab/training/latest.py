"""Latest: the last known value of what only some updates compute."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn


class Latest(nn.Module):
    """Keeps the last value of each name, for logged updates that do not compute it.

    The values are part of the checkpoint, so that a resumed run logs the same values.
    """

    values: Tensor

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self.names = tuple(names)
        # Infinity stands for a name that has no value yet.
        self.register_buffer("values", torch.full((len(self.names),), torch.inf))

    @torch.no_grad()
    def note(self, values: Mapping[str, Tensor]) -> None:
        """Keep those of the `values` that have one of the names."""
        for number, name in enumerate(self.names):
            if name in values:
                self.values[number] = values[name]

    def known(self) -> dict[str, float]:
        """Return the values known so far, by name; the host waits for the device."""
        pairs = zip(self.names, self.values.tolist(), strict=True)
        return {name: value for name, value in pairs if math.isfinite(value)}
