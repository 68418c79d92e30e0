"""The contract of a metric, and the circumstances in which it compares two images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

from torch import Tensor

from srlab.io import Axis


@dataclass(frozen=True)
class ScoringContext:
    """The circumstances of one comparison of SR with HR, in physical units."""

    lr: Tensor
    """``(B, C, *S)``, the channels that HR's correspond to; without guides, for example."""

    valid: Tensor | None
    """``(B, 1, *S·scale)``, true where HR holds data; None where it does everywhere."""

    scale: tuple[int, ...]
    """HR pixels in an LR pixel, along each axis."""

    data_range: float
    """The span of values that counts as the full scale: 255 for 8-bit photographs."""

    channel_names: tuple[str, ...]
    """The names of HR's channels."""

    axes: tuple[Axis, ...]
    """The axes of HR, with their spacings where these are known; empty where nothing is."""

    degrade: Callable[[Tensor], Tensor]
    """HR to LR."""

    scene: Tensor | None = None
    """``(B, rows, C + 1)``, the statistics of the whole files that HR is from, where measured.

    The rows are those of `srlab.normalisers.Statistics.as_tensor`.
    """

    def among(self, counted: Tensor) -> ScoringContext:
        """The circumstances in which only the pixels of a mask ``(B, 1, *S)`` are valid, too."""
        return replace(self, valid=counted if self.valid is None else self.valid & counted)


class Metric(Protocol):
    """A measure of quality, in physical units."""

    higher_is_better: bool

    def __call__(
        self, sr: Tensor, hr: Tensor, context: ScoringContext
    ) -> Tensor | dict[str, Tensor]:
        """Compare SR with HR, both ``(B, C, *S)``: a value for each image, ``(B,)``.

        Several values for an image are a dictionary of such tensors. An image with nothing to
        compare is NaN.
        """
        ...


@runtime_checkable
class Pooled(Protocol):
    """A metric of the squared error that is infinite for an exact image."""

    def pooled(self, values: Tensor) -> Tensor:
        """The value for the mean squared error of several images, from their values ``(N,)``."""


@runtime_checkable
class InUnit(Protocol):
    """A metric whose values have a unit."""

    unit: str


@runtime_checkable
class Local(Protocol):
    """A metric that is a mean over places, and can be taken over some of them."""

    higher_is_better: bool

    def among(
        self, sr: Tensor, hr: Tensor, context: ScoringContext, counted: Tensor
    ) -> Tensor | dict[str, Tensor]:
        """Compare as a call does, where `counted` ``(B, 1, *S)`` is true and pixels are valid.

        A window counts by the pixel in its middle.
        """
