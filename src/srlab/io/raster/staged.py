"""The blocks of an unfinished raster, on the disk until a file is encoded from them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window as RasterWindow

from srlab.axes import Window
from srlab.io.clipping import Clipping
from srlab.io.description import Description
from srlab.io.raster.bands import per_band
from srlab.io.raster.geometry import RasterGeometry
from srlab.io.staging import Staging
from srlab.io.stored import holds, to_stored
from srlab.io.windows import check_block
from srlab.mistakes import Mistake

SIDE = 512
"""The side in pixels of the blocks of a finished file, each of which is compressed."""

STRIP_BYTES = 32 * 2**20
"""The most bytes in memory while a file is encoded, unless a single block is larger."""


class StagedBlocks:
    """The values of a raster as they are to be stored: its bands, and its mask if it has one.

    An alpha band at the end of the channels serves as the mask.

    Raises a `Mistake` if the image has not two axes, or a nodata value that its type cannot hold.
    """

    def __init__(self, path: Path, description: Description) -> None:
        channels = description.channels
        check_raster(path, description)
        self.description = description
        self.dtype = description.dtype
        nodata_values = [channel.nodata for channel in channels if channel.nodata is not None]
        self.nodata = nodata_values[0] if nodata_values else None
        if self.nodata is not None and not holds(self.dtype, self.nodata):
            raise Mistake(
                f"the nodata value {self.nodata:g} of {path} cannot be stored as {self.dtype}: "
                "write float32, or the input's own type."
            )
        by_mask = self.nodata is None and any(channel.masked for channel in channels)
        self.transparent = self.nodata is None and channels[-1].colour == "alpha"
        """Whether empty pixels are marked by zeros in the alpha band."""
        self.masked = by_mask and not self.transparent
        """Whether empty pixels are marked by a mask, which is staged behind the bands."""
        self.staging = Staging(path, len(channels) + self.masked, description.shape, self.dtype)
        self.clipping = Clipping(description.with_dtype(self.dtype).channels)
        self._scale = per_band([channel.scale for channel in channels])
        self._offset = per_band([channel.offset for channel in channels])

    def write(self, window: Window, array: NDArray[np.float32]) -> None:
        """Store ``(C, *window)`` in physical units, NaN where there is no data."""
        count = len(self.description.channels)
        check_block(window, array, count, self.description.shape)
        if self.masked or self.transparent:
            valid = ~np.isnan(array).any(axis=0, keepdims=True)
            array = np.where(valid, array, np.float32(0))
            if self.masked:
                self.staging.write(window, valid.astype(self.dtype), first=count)
        self.clipping.count(array)
        stored = to_stored(
            array, scale=self._scale, offset=self._offset, dtype=self.dtype, nodata=self.nodata
        )
        self.staging.write(window, stored)

    def copy(self, dataset: Any) -> None:
        """Write all blocks to an open raster, always in the same order."""
        count = len(self.description.channels)
        for window in strips(self.staging):
            planes = self.staging.read(window)
            raster_window = RasterWindow.from_slices(*window)
            dataset.write(planes[:count], window=raster_window)
            if self.masked:
                dataset.write_mask(planes[count] != 0, window=raster_window)


def check_raster(path: Path, description: Description) -> None:
    """Raise a `Mistake` unless an image has two axes, and a raster's place or none."""
    if len(description.axes) != 2:
        names = ", ".join(axis.name for axis in description.axes)
        raise Mistake(
            f"{path} holds an image of 2 axes, and there are {len(description.axes)} ({names}) "
            "to be written: write the format of the input."
        )
    if not isinstance(description.geometry, RasterGeometry | None):
        raise Mistake(
            f"{path} would lose the place of its pixels, which is no raster's: write the "
            "format of the input."
        )


def strips(staging: Staging) -> Iterator[Window]:
    """Divide a raster into windows of `SIDE` rows and a multiple of `SIDE` columns."""
    height, width = staging.shape
    # As long as memory permits, since short pieces of rows are slow to read.
    column_bytes = SIDE * staging.planes * staging.dtype.itemsize
    columns = max(STRIP_BYTES // column_bytes // SIDE, 1) * SIDE
    for top in range(0, height, SIDE):
        for left in range(0, width, columns):
            yield slice(top, min(top + SIDE, height)), slice(left, min(left + columns, width))
