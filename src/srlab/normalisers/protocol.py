"""What every normaliser offers, and the one helper they share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from srlab.mistakes import Mistake


class Normaliser(Protocol):
    """An ``nn.Module`` between physical units and the network's range; its statistics are buffers.

    Given the statistics, `inverse` undoes `hr` to float accuracy and clamps nothing.
    """

    def lr(self, image: Tensor) -> Tensor:
        """LR ``(B, C, *S)`` in physical units to the network's range."""

    def hr(self, image: Tensor) -> Tensor:
        """HR ``(B, C', *S)`` in physical units to the network's range."""

    def inverse(self, image: Tensor) -> Tensor:
        """SR ``(B, C', *S)`` in the network's range to physical units."""


def statistic(value: float | Sequence[float]) -> Tensor:
    """Return a buffer for one number, or for one number a channel."""
    return torch.as_tensor(value, dtype=torch.float32).reshape(-1)


def along_channels(buffer: Tensor, image: Tensor) -> Tensor:
    """Shape a statistic of one or of C entries to broadcast over ``(B, C, *S)``."""
    if len(buffer) not in (1, image.shape[1]):
        raise Mistake(
            f"the normaliser has statistics for {len(buffer)} channels and the image has {image.shape[1]}; "
            "give one number, or one for each channel."
        )
    return buffer.view(1, -1, *[1] * (image.ndim - 2))
