"""The interface of metrics, and the context in which they compare SR with HR."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

from torch import Tensor

from srlab.io import Axis


@dataclass(frozen=True)
class ScoringContext:
    """The data and functions that a metric may use besides SR and HR, in physical units."""

    lr: Tensor
    """LR ``(B, C, *S)``, with the channels that correspond to those of HR, so without guides."""

    valid: Tensor | None
    """``(B, 1, *S·scale)``, true where HR holds data; None if HR holds data everywhere."""

    scale: tuple[int, ...]
    """The number of HR pixels in an LR pixel along each axis."""

    data_range: float
    """The span of values that counts as full scale, such as 255 for 8-bit photographs."""

    channel_names: tuple[str, ...]
    """The names of the channels of HR."""

    axes: tuple[Axis, ...]
    """The axes of HR, with their spacings if these are known; empty if nothing is known."""

    degrade: Callable[[Tensor], Tensor]
    """The degradation, which maps HR to LR."""

    scene: Tensor | None = None
    """The statistics of the files that HR is from, ``(B, rows, C + 1)``; None if not measured.

    The rows are those of `srlab.normalisers.Statistics.as_tensor`.
    """

    def among(self, counted: Tensor) -> ScoringContext:
        """Return a context in which a pixel is valid only if the mask `counted` is true there.

        The mask is ``(B, 1, *S·scale)``.
        """
        valid = counted
        if self.valid is not None:
            valid = self.valid & counted
        return replace(self, valid=valid)


class Metric(Protocol):
    """A measure of the quality of SR, in physical units."""

    higher_is_better: bool

    def __call__(
        self, sr: Tensor, hr: Tensor, context: ScoringContext
    ) -> Tensor | dict[str, Tensor]:
        """Return a value for each image of SR and HR ``(B, C, *S)``, as a tensor ``(B,)``.

        A metric with several values returns a dictionary of such tensors, by name. The value of an
        image is NaN if there is nothing to compare.
        """
        ...


@runtime_checkable
class Pooled(Protocol):
    """A metric of the squared error that is infinite for an exact image, such as PSNR."""

    def pooled(self, values: Tensor) -> Tensor:
        """Return the value that belongs to the mean of the squared errors of N images.

        The images have the values ``(N,)``.
        """


@runtime_checkable
class InUnit(Protocol):
    """A metric whose values have a unit."""

    unit: str


@runtime_checkable
class Local(Protocol):
    """A metric that is a mean over pixels or windows, and can be restricted to some of them."""

    higher_is_better: bool

    def among(
        self, sr: Tensor, hr: Tensor, context: ScoringContext, counted: Tensor
    ) -> Tensor | dict[str, Tensor]:
        """Return the value of valid pixels where the mask `counted` ``(B, 1, *S)`` is true.

        A metric of windows takes the windows in whose middle the mask is true.
        """
