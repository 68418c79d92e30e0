"""Pictures and histograms, for the loggers that take them."""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from lightning import Trainer
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only
from numpy.typing import NDArray
from torch import Tensor

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BinCounts:
    """The number of values in each bin of a histogram."""

    counts: NDArray[np.int64]
    """One for each bin."""

    edges: NDArray[np.float64]
    """The bounds of the bins, rising: one more than bins."""


def bin_counts(
    values: Tensor, *, bins: int, limits: tuple[float, float] | None = None
) -> BinCounts | None:
    """Count the finite `values` in `bins` of equal width between `limits`; None if there are none.

    Values beyond the limits count in the outermost bins. Without limits, these are the smallest
    and the largest value.
    """
    finite = values.detach().flatten().cpu().double()
    finite = finite[finite.isfinite()]
    if not len(finite):
        return None
    low, high = limits or (float(finite.min()), float(finite.max()))
    counts, edges = np.histogram(finite.clamp(low, high).numpy(), bins=bins, range=(low, high))
    return BinCounts(counts, edges)


@runtime_checkable
class VisualLogger(Protocol):
    """A logger that takes pictures and histograms, besides Lightning's scalars.

    Any Lightning logger with these two methods is one; they are called on the first process alone.
    The user is told once of a logger without them, unless its attribute ``scalars_only`` is true.
    """

    def log_picture(self, name: str, pixels: NDArray[np.uint8], step: int) -> None:
        """Log an RGB picture ``(H, W, 3)``."""
        ...

    def log_histogram(self, name: str, counted: BinCounts, step: int) -> None:
        """Log a histogram."""
        ...


def watching(trainer: Trainer) -> list[VisualLogger]:
    """The loggers that take pictures and histograms now: none in a sanity check.

    All ranks have the same kinds of loggers. So each knows whether the others gather what there is
    to show.
    """
    if trainer.sanity_checking:
        return []
    return visual(trainer.loggers)


def visual(loggers: Iterable[Logger]) -> list[VisualLogger]:
    """The loggers that take pictures and histograms."""
    found: list[VisualLogger] = []
    for logger in loggers:
        if isinstance(logger, VisualLogger):
            found.append(logger)
        elif not getattr(logger, "scalars_only", False):
            _tell_that_it_gets_none(type(logger))
    return found


@functools.cache
@rank_zero_only
def _tell_that_it_gets_none(kind: type[Logger]) -> None:
    log.info(
        "%s gets no pictures and histograms: it has no methods log_picture and log_histogram, as "
        "srlab's loggers of TensorBoard, Weights & Biases and MLflow have",
        kind.__name__,
    )
