"""The interface of metrics, and the context in which they compare two images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

from torch import Tensor

from srlab.io import Axis


@dataclass(frozen=True)
class ScoringContext:
    """What a metric may use to compare SR with HR, in physical units."""

    lr: Tensor
    """``(B, C, *S)``: the LR channels that correspond to those of HR, such as all but guides."""

    valid: Tensor | None
    """``(B, 1, *S·scale)``, true where HR holds data; None where it does everywhere."""

    scale: tuple[int, ...]
    """The number of HR pixels in an LR pixel, along each axis."""

    data_range: float
    """The span of values that counts as full scale, such as 255 for 8-bit photographs."""

    channel_names: tuple[str, ...]
    """The names of HR's channels."""

    axes: tuple[Axis, ...]
    """The axes of HR, with their spacings if known; empty if nothing is known."""

    degrade: Callable[[Tensor], Tensor]
    """The degradation from HR to LR."""

    scene: Tensor | None = None
    """``(B, rows, C + 1)``: the statistics of the files that HR is from, if they were measured.

    The rows are those of `srlab.normalisers.Statistics.as_tensor`.
    """

    def among(self, counted: Tensor) -> ScoringContext:
        """Return a context in which only valid pixels of a mask ``(B, 1, *S)`` are valid."""
        valid = counted if self.valid is None else self.valid & counted
        return replace(self, valid=valid)


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
    """A metric of the squared error that is infinite for an exact image, such as PSNR."""

    def pooled(self, values: Tensor) -> Tensor:
        """Return the value for the mean squared error of images that have the values ``(N,)``."""


@runtime_checkable
class InUnit(Protocol):
    """A metric whose values have a unit."""

    unit: str


@runtime_checkable
class Local(Protocol):
    """A metric that is a mean over places, and can be restricted to some of them."""

    higher_is_better: bool

    def among(
        self, sr: Tensor, hr: Tensor, context: ScoringContext, counted: Tensor
    ) -> Tensor | dict[str, Tensor]:
        """Compare valid pixels where the mask `counted` ``(B, 1, *S)`` is true.

        A window counts if the pixel in its middle does.
        """
