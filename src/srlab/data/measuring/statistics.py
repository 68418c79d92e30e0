"""Measuring of a data set's values in one pass, with one part in memory at a time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from numpy.typing import NDArray

from srlab.data.sources.source import PairDataset, Sample
from srlab.mistakes import Mistake
from srlab.normalisers.statistics import Statistics, StreamingStatistics


def measure(parts: Iterable[NDArray[Any]], *, channels: int) -> Statistics:
    """Return the statistics of arrays ``(channels, ...)``, one in memory at a time."""
    streaming = StreamingStatistics(channels)
    for part in parts:
        streaming.add(part)
    return streaming.result()


def measure_lr(pairs: Iterable[Sample]) -> Statistics:
    """Return the statistics of LR where HR holds data, one pair in memory at a time.

    LR is measured as the network sees it. The statistics of HR would not do: a blur narrows the
    range of values, and noise widens it.

    Raises a `Mistake` if there are no pairs.
    """
    streaming: StreamingStatistics | None = None
    for pair in pairs:
        shown = _shown(pair)
        streaming = streaming or StreamingStatistics(len(shown))
        streaming.add(shown)
    if streaming is None:
        raise Mistake(
            "the training images hold no value in every band at all; choose files (data.root) "
            "that hold data."
        )
    return streaming.result()


def value_range(dataset: PairDataset, *, samples: int = 64) -> tuple[tuple[float, float], ...]:
    """Return the 0.1st and 99.9th percentile of each LR channel, in physical units.

    They are measured over the first `samples` of a dataset, where HR holds data.

    Raises a `Mistake` if it holds none there.
    """
    others = (_shown(dataset[position]) for position in range(1, samples))
    first = _shown(dataset[0])
    statistics = measure([first, *others], channels=len(first))
    if not statistics.count.all():
        raise Mistake(
            f"the first {samples} training crops hold no value at all; choose files (data.root) "
            "that hold data."
        )
    lowest, highest = statistics.quantile(0.1), statistics.quantile(99.9)
    return tuple(zip(lowest.tolist(), highest.tolist(), strict=True))


def _shown(sample: Sample) -> NDArray[Any]:
    """Return LR ``(C, *S)`` with NaN in the pixels under which HR holds no data."""
    lr = sample["lr"]
    if "valid" in sample:
        valid = sample["valid"]
        for axis, side in enumerate(lr.shape[1:], start=1):
            cells = valid.movedim(axis, -1)
            valid = cells.reshape(*cells.shape[:-1], side, -1).any(dim=-1).movedim(-1, axis)
        lr = lr.masked_fill(~valid, torch.nan)
    array: NDArray[Any] = lr.numpy()
    return array
