"""What every discriminator returns."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Judgement(NamedTuple):
    """Logits, one tensor of any shape a head, and the intermediate features for feature matching."""

    logits: tuple[Tensor, ...]
    features: tuple[Tensor, ...]
