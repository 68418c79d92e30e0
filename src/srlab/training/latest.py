"""The last values of what only some updates have, for the log."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn


class Latest(nn.Module):
    """Keeps the last value of each name, since not every update that is logged has one.

    It is part of the checkpoint, so that a resumed run logs the same.
    """

    values: Tensor

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self.names = tuple(names)
        # infinity stands for no value so far
        self.register_buffer("values", torch.full((len(self.names),), torch.inf))

    @torch.no_grad()
    def note(self, values: Mapping[str, Tensor]) -> None:
        """Keep those of `values` that have one of the names."""
        for number, name in enumerate(self.names):
            if name in values:
                self.values[number] = values[name]

    def known(self) -> dict[str, float]:
        """The finite values so far; the host waits for the device."""
        pairs = zip(self.names, self.values.tolist(), strict=True)
        return {name: value for name, value in pairs if math.isfinite(value)}
