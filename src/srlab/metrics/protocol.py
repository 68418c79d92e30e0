"""What every metric offers, and what it may want to know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor


@dataclass(frozen=True)
class View:
    """The circumstances of one comparison, in physical units."""

    lr: Tensor
    """``(B, C, *S)``."""

    valid: Tensor | None
    """``(B, 1, *S·scale)``, true where HR holds data; None where it does everywhere."""

    scale: tuple[int, ...]
    """HR pixels in an LR pixel, along each axis."""

    data_range: float
    """The span of values that counts as the full scale: 255 for 8-bit photographs."""

    channels: tuple[str, ...]
    """The names of HR's channels."""

    pixel_size: tuple[float, ...] | None
    """The size of an HR pixel along each axis, in metres, millimetres or whatever the modality measures in."""

    degrade: Callable[[Tensor], Tensor]
    """HR to LR."""


class Metric(Protocol):
    """A measure of quality, in physical units."""

    higher_is_better: bool

    def __call__(self, sr: Tensor, hr: Tensor, view: View) -> Tensor | dict[str, Tensor]:
        """Compare SR with HR, both ``(B, C, *S)``: a value for each image, ``(B,)``.

        Several values an image are a dictionary of such tensors; an image with nothing to compare is NaN.
        """
