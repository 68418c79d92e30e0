"""A GeoTIFF that was just encoded: a check that it is complete, and statistics of its pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import rasterio

from srlab.mistakes import FailedWrite


def check_complete(file: Path, path: Path) -> None:
    """Raise a `FailedWrite` that names `path` unless every block is in the `file`.

    The check is needed since GDAL reports no error if the disk becomes full as a file is closed.
    """
    size = file.stat().st_size
    with rasterio.open(file) as dataset:
        bands = [1]
        if dataset.interleaving.value == "BAND":
            bands = dataset.indexes
        for index in bands:
            for (row, column), _ in dataset.block_windows(index):
                start = _block_tag(dataset, f"BLOCK_OFFSET_{column}_{row}", index)
                length = _block_tag(dataset, f"BLOCK_SIZE_{column}_{row}", index)
                if not length or start + length > size:
                    raise FailedWrite(f"{path} could not be written whole: is the disk full?")


def _block_tag(dataset: Any, name: str, index: int) -> int:
    return int(dataset.get_tag_item(name, "TIFF", bidx=index) or 0)


def note_statistics(file: Path) -> None:
    """Store the minimum, maximum, mean and deviation of each band's valid pixels, as GDAL does."""
    with rasterio.open(file, "r+") as dataset:
        for index in dataset.indexes:
            windows = (window for _, window in dataset.block_windows(index))
            if not any(dataset.read_masks(index, window=window).any() for window in windows):
                continue  # GDAL would give zeros for a band without a valid pixel
            (statistics,) = dataset.stats(indexes=[index])
            dataset.update_tags(
                index,
                STATISTICS_MINIMUM=statistics.min,
                STATISTICS_MAXIMUM=statistics.max,
                STATISTICS_MEAN=statistics.mean,
                STATISTICS_STDDEV=statistics.std,
            )
