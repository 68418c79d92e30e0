"""The circumstances in which a loss term compares two images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Context:
    """The circumstances of one comparison of SR with HR."""

    lr: Tensor
    """The LR batch ``(B, C, *S)`` in the network's range."""

    lr_physical: Tensor
    """The LR batch in physical units."""

    hr_physical: Tensor
    """The HR batch ``(B, C, *S·scale)`` in physical units."""

    valid: Tensor | None
    """``(B, 1, *S·scale)``, true where HR holds data; None where it does everywhere."""

    valid_count: Tensor | None
    """Valid pixels of a micro-batch, averaged over those of the update and over all ranks.

    None: this batch's own are counted.
    """

    step: int
    """Generator updates done."""

    data_range: float
    """The span of physical values that counts as the full scale: 255 for 8-bit photographs."""

    degrade: Callable[[Tensor], Tensor]
    """HR in physical units to LR in physical units."""

    denormalise: Callable[[Tensor], Tensor]
    """The network's range to physical units."""
