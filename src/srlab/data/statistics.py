"""The values of a data set, measured in one pass."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from numpy.typing import NDArray

from srlab.data.source import PairDataset
from srlab.normalisers.statistics import Statistics, StreamingStatistics


def measure(parts: Iterable[NDArray[Any]], *, channels: int) -> Statistics:
    """Return the statistics of arrays ``(channels, ...)``, one in memory at a time."""
    streaming = StreamingStatistics(channels)
    for part in parts:
        streaming.add(part)
    return streaming.result()


def value_range(dataset: PairDataset, *, samples: int = 64) -> tuple[tuple[float, float], ...]:
    """Return the 0.1st and 99.9th percentile of each LR channel, in physical units.

    They are measured over the first `samples` of a dataset.
    """
    lr = (dataset[position]["lr"].numpy() for position in range(1, samples))
    first = dataset[0]["lr"].numpy()
    found = measure([first, *lr], channels=len(first))
    return tuple(zip(found.quantile(0.1).tolist(), found.quantile(99.9).tolist(), strict=True))
