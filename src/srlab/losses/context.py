"""The data and functions that a loss term may use besides SR and HR."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Context:
    """The data and functions that a loss term may use besides SR and HR."""

    lr: Tensor
    """The LR batch ``(B, C, *S)``, in the network's range."""

    lr_physical: Tensor
    """The LR batch ``(B, C, *S)``, in physical units."""

    hr_physical: Tensor
    """The HR batch ``(B, C, *S·scale)``, in physical units."""

    valid: Tensor | None
    """``(B, 1, *S·scale)``, true where HR holds data; None if HR holds data everywhere."""

    valid_count: Tensor | None
    """The mean number of valid pixels in a micro-batch of this update, over all ranks.

    If it is None, the valid pixels of this batch are counted instead.
    """

    step: int
    """The number of generator updates done so far."""

    data_range: float
    """The span of physical values that counts as full scale, such as 255 for 8-bit photographs."""

    degrade: Callable[[Tensor], Tensor]
    """The degradation: it maps HR to LR, both in physical units."""

    denormalise: Callable[[Tensor], Tensor]
    """The inverse of the normaliser: it maps the network's range to physical units."""
