"""The measured values of files, channel by channel, and their table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from srlab.data.finding.usable import Forgiving, LeftOut
from srlab.data.measuring.values import files_of
from srlab.data.places.regions import Region
from srlab.data.sources.source import OfPairedFiles, Source
from srlab.io import Channel, Reader
from srlab.normalisers.statistics import BinCounts, Statistics, StreamingStatistics
from srlab.progress import progress as shown_progress

HEADS = (
    *("band", "valid", "min", "1 %", "50 %", "99 %", "max"),
    *("mean", "deviation", "nodata"),
)
"""The columns of the table. "1 %" and the like are percentiles; "valid" is a share of pixels."""


@dataclass(frozen=True)
class Values:
    """The values of some files, in physical units."""

    title: str
    """``HR`` or ``LR`` where pairs were measured; otherwise empty."""

    channels: tuple[Channel, ...]
    """The channels of the first file."""

    pixels: int
    """The number of pixels of all files, with and without data."""

    statistics: Statistics
    """The statistics of all files together."""

    histograms: list[BinCounts]
    """The histogram of each channel."""

    files: dict[str, Statistics]
    """The statistics of each file, by its name."""

    def names(self) -> list[str]:
        """Return the names of the channels, each after the title."""
        return [f"{self.title} {channel.name}".strip() for channel in self.channels]

    def shares(self) -> list[float]:
        """Return the share of the pixels of each channel that hold data."""
        return [float(count) / self.pixels for count in self.statistics.count]

    def to_json(self) -> dict[str, Any]:
        """Return plain values, for a file; null where a band holds none."""
        plain: dict[str, Any] = {
            "bands": [channel.name for channel in self.channels],
            "pixels": self.pixels,
            "nodata": [channel.nodata for channel in self.channels],
            "statistics": self.statistics.to_json(),
            "files": {name: statistics.to_json() for name, statistics in self.files.items()},
        }
        return {name: _without_nan(value) for name, value in plain.items()}


def measured(readers: Sequence[Reader], *, title: str = "", progress: bool = False) -> Values:
    """Measure files in one pass; those that cannot be read are left out, as in training."""
    left_out, pixels = LeftOut(len(readers)), 0
    expected = sum(prod(reader.description.shape) for reader in readers)
    channels = readers[0].description.channels
    total, files = StreamingStatistics(len(channels)), {}
    name = f"measuring {title}".strip()
    with shown_progress(expected, unit="px", title=name, shown=progress) as done:
        for reader in readers:
            own = StreamingStatistics(len(channels))
            for block in Region.whole(Forgiving(reader, left_out)).blocks():
                own.add(block)
                done.advance(prod(block.shape[1:]))
            if str(reader) not in left_out.names:
                files[str(reader)] = own.result()
                pixels += prod(reader.description.shape)
                total.merge(own)
    return Values(
        title=title,
        channels=channels,
        pixels=pixels,
        statistics=total.result(),
        histograms=total.histograms(),
        files=files,
    )


def of_source(source: Source, *, progress: bool = False) -> list[Values]:
    """Measure all files of a source, whatever its split: HR, or LR and HR if both are files."""
    if isinstance(source, OfPairedFiles):
        lr = measured(source.readers, title="LR", progress=progress)
        return [lr, measured(source.hr_readers, title="HR", progress=progress)]
    return [measured(files_of(source), progress=progress)]


def table(groups: Sequence[Values]) -> str:
    """Return the values as text, one line for each channel."""
    rows: list[tuple[str, ...]] = [HEADS]
    for values in groups:
        rows += _rows(values)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for name, *cells in rows:
        numbers = [cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True)]
        lines.append("  ".join([name.ljust(widths[0]), *numbers]))
    return "\n".join(lines)


def _rows(values: Values) -> list[tuple[str, ...]]:
    statistics = values.statistics
    levels = [statistics.quantile(level) for level in (1, 50, 99)]
    rows = []
    for number, name in enumerate(values.names()):
        channel, share = values.channels[number], values.shares()[number]
        percentiles = [_storable(float(level[number]), channel) for level in levels]
        numbers = [statistics.minimum[number], *percentiles, statistics.maximum[number]]
        numbers += [statistics.mean[number], statistics.deviation[number]]
        cells = [f"{value:.5g}" for value in numbers]
        nodata = "–" if channel.nodata is None else f"{channel.nodata:g}"
        rows.append((name, percent(share), *cells, nodata))
    return rows


def _without_nan(value: Any) -> Any:
    """Replace NaN, which JSON does not have, with null."""
    if isinstance(value, dict):
        return {name: _without_nan(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [*map(_without_nan, value)]
    return None if value != value else value


def _storable(value: float, channel: Channel) -> float:
    """Round a percentile of integers, which is interpolated, to a value that the file can hold."""
    if channel.dtype.kind not in "iu":
        return value
    return round((value - channel.offset) / channel.scale) * channel.scale + channel.offset


def percent(share: float) -> str:
    """Write a share in percent; only 0 and 1 are written as 0 % and 100 %."""
    if share in (0, 1):
        return f"{100 * share:.0f} %"
    return f"{np.clip(100 * share, 0.01, 99.99):.2f} %"
