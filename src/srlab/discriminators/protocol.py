"""The contract of every discriminator."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from torch import Tensor


class Judgement(NamedTuple):
    """Logits, one tensor of any shape a head, and the intermediate features to be matched."""

    logits: tuple[Tensor, ...]
    features: tuple[Tensor, ...]


class Discriminator(Protocol):
    """An ``nn.Module`` from images in the network's range to logits and features."""

    in_channels: int

    def __call__(self, image: Tensor) -> Judgement:
        """Judge each image of ``(B, in_channels, *S)``."""
