"""A raster resampled onto the grid of another one, window by window."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import ceil, floor
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.io import MemoryFile
from rasterio.vrt import WarpedVRT

from srlab.axes import Window, common, relative, window_shape
from srlab.io.protocols import Reader
from srlab.io.raster.gdal import gdal
from srlab.io.raster.geometry import RasterGeometry
from srlab.io.raster.grids import GridPair, georeferenced
from srlab.io.windows import check_window
from srlab.mistakes import Mistake

Method = Literal["nearest", "bilinear", "cubic", "lanczos", "average"]
"""GDAL's kernels of resampling; ``nearest`` suits classes and masks."""

RADIUS = {"nearest": 1, "bilinear": 1, "cubic": 2, "lanczos": 3, "average": 1}
"""The reach of each kernel, in pixels of the coarser grid."""

LARGEST = 2**24
"""The most pixels of the source that are read at once; larger windows are divided."""

PRECISION = 1e-6
"""The error of positions, in pixels of the source, that GDAL may make; 0 is not allowed."""

PROBES = 21
"""The number of positions along each axis of a window that are mapped into the source."""


class WarpedReader:
    """A reader of a raster on the grid `onto`, in physical units.

    The grids may differ in CRS, pixel size, rotation and direction. GDAL resamples; its kernels
    become wider if the target is coarser, so that nothing aliases. The result does not depend on
    the division into windows. If the grids coincide, values are copied.

    A pixel holds no data if its centre lies in an empty pixel of the source, or outside the source.
    Empty pixels do not contribute to their neighbours.

    Raises a `Mistake` unless both grids have a CRS and an affine transform.
    """

    def __init__(
        self, reader: Reader, onto: RasterGeometry, *, resampling: Method = "cubic"
    ) -> None:
        if resampling not in RADIUS:
            raise Mistake(f"resampling is {resampling!r}; choose one of {', '.join(RADIUS)}.")
        self._reader = reader
        self._grids = GridPair(
            georeferenced(reader.description.geometry, str(reader)),
            georeferenced(onto, "the grid to be shown on"),
        )
        self._resampling = resampling
        geometry = RasterGeometry(onto.shape, crs=onto.crs, transform=onto.transform)
        channels = reader.description.channels
        self.description = replace(
            reader.description,
            shape=geometry.shape,
            axes=geometry.axes,
            # Pixels outside the source are empty, so an output must be able to mark that.
            channels=tuple(replace(channel, masked=channel.nodata is None) for channel in channels),
            geometry=geometry,
        )

    def __str__(self) -> str:
        return str(self._reader)

    def read(self, window: Window) -> NDArray[np.float32]:
        """Read ``(C, *window)`` of the target grid, NaN where the source holds no data.

        Raises a `Mistake` if the window is not inside that grid.
        """
        check_window(window, self.description.shape)
        if self._grids.offset is not None:
            return self._copied(window, self._grids.offset)
        return self._warped(window)

    def close(self) -> None:
        """Release the file."""
        self._reader.close()

    def _copied(self, window: Window, offset: tuple[int, int]) -> NDArray[np.float32]:
        """Copy a window of the source, whose pixels coincide with those of the target.

        `offset` is the source's pixel at the target's first pixel.
        """
        spans = zip(window, offset, strict=True)
        in_source = tuple(slice(span.start + move, span.stop + move) for span, move in spans)
        values = self._empty(window)
        inside = _clipped(in_source, self._grids.source.shape)
        if inside is not None:
            values[:, *relative(inside, in_source)] = self._reader.read(inside)
        return values

    def _warped(self, window: Window) -> NDArray[np.float32]:
        needed = self._needed_for(window)
        if needed is None:
            return self._empty(window)
        if np.prod(window_shape(needed)) <= LARGEST or max(window_shape(window)) == 1:
            return self._resampled(self._reader.read(needed), needed, window)
        values = self._empty(window)
        for half in _halves(window):
            values[:, *relative(half, window)] = self._warped(half)
        return values

    def _needed_for(self, window: Window) -> Window | None:
        """Return the window of the source that a target window depends on; None if empty."""
        sides = [np.linspace(span.start, span.stop, PROBES) for span in window]
        positions = np.stack(np.meshgrid(*sides, indexing="ij")).reshape(2, -1)
        in_source = self._grids.to_source(positions)
        in_source = in_source[:, np.isfinite(in_source).all(axis=0)]
        if not in_source.size:
            return None
        needed = []
        for along_axis, stretch in zip(in_source, self._grids.stretch, strict=True):
            low, high = float(along_axis.min()), float(along_axis.max())
            # Some pixels and a share more, since a curved edge may bulge between the positions.
            reach = RADIUS[self._resampling] * max(stretch, 1) + 2 + 0.01 * (high - low)
            needed.append(slice(floor(low - reach), ceil(high + reach)))
        return _clipped(tuple(needed), self._grids.source.shape)

    def _resampled(
        self, pixels: NDArray[np.float32], needed: Window, window: Window
    ) -> NDArray[np.float32]:
        """Resample the source's `pixels` ``(C, *needed)`` onto a window of the target."""
        source, target = self._grids.source, self._grids.target
        count, height, width = pixels.shape
        with gdal(f"{self} cannot be warped to {target.crs}"), MemoryFile() as memory:
            with memory.open(
                driver="GTiff", count=count, height=height, width=width, dtype="float32",
                transform=source.part(needed).transform, crs=source.crs, nodata=np.nan,
            ) as file:  # fmt: skip
                file.write(pixels)
            with memory.open() as file:
                values = self._on_target(file, window, self._resampling)
                at_centre = self._on_target(file, window, "nearest")
        values[np.isnan(at_centre)] = np.nan
        return values

    def _on_target(self, file: Any, window: Window, resampling: Method) -> NDArray[np.float32]:
        source, target = self._grids.source, self._grids.target
        down, across = self._grids.stretch
        height, width = window_shape(window)
        with WarpedVRT(
            file,
            src_crs=source.crs,  # given here, since a GeoTIFF cannot hold every CRS
            crs=target.crs,
            transform=target.part(window).transform,
            height=height,
            width=width,
            nodata=np.nan,
            resampling=Resampling[resampling],
            tolerance=PRECISION,
            # Otherwise GDAL would estimate these anew for each window.
            XSCALE=min(1 / across, 1.0),
            YSCALE=min(1 / down, 1.0),
            UNIFIED_SRC_NODATA="NO",  # each band has its own empty pixels
        ) as warped:
            values: NDArray[np.float32] = warped.read()
        return values

    def _empty(self, window: Window) -> NDArray[np.float32]:
        count = len(self.description.channels)
        return np.full((count, *window_shape(window)), np.nan, np.float32)


def _clipped(window: Window, shape: tuple[int, ...]) -> Window | None:
    """Return the part of a window inside an image of `shape`; None if it is outside."""
    whole = tuple(slice(0, size) for size in shape)
    inside = common(window, whole)
    if any(span.stop <= span.start for span in inside):
        return None
    return inside


def _halves(window: Window) -> Iterator[Window]:
    """Cut a window in two along its longer side."""
    rows, columns = window
    if rows.stop - rows.start >= columns.stop - columns.start:
        middle = (rows.start + rows.stop) // 2
        yield slice(rows.start, middle), columns
        yield slice(middle, rows.stop), columns
    else:
        middle = (columns.start + columns.stop) // 2
        yield rows, slice(columns.start, middle)
        yield rows, slice(middle, columns.stop)
