"""What every generator offers."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class Generator(Protocol):
    """An ``nn.Module`` from LR to SR in the network's range, for any size.

    It may say `multiple_of`, one number of LR pixels for each axis on whose multiples tiles should start, or
    `noise_channels`: then it takes a second argument ``noise`` ``(B, noise_channels)``, drawn once for an image, and
    without it is deterministic.
    """

    in_channels: int
    scale: tuple[int, ...]
    """One integer per spatial axis."""

    def __call__(self, lr: Tensor) -> Tensor:
        """LR ``(B, C, *S)`` to SR ``(B, C', *S·scale)``."""
