"""The interface of discriminators."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from torch import Tensor


class Judgement(NamedTuple):
    """The output of a discriminator."""

    logits: tuple[Tensor, ...]
    """One tensor for each head of the discriminator. Its shape depends on the discriminator."""

    features: tuple[Tensor, ...]
    """The outputs of intermediate layers, which the feature-matching loss compares."""


class Discriminator(Protocol):
    """An ``nn.Module`` that tells HR from SR. Its images are in the network's range."""

    in_channels: int

    def __call__(self, image: Tensor) -> Judgement:
        """Return logits and features of a batch of images ``(B, in_channels, *S)``."""
