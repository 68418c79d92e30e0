"""The reader of files that GDAL opens: GeoTIFF, JPEG 2000, PNG, JPEG, VRT and many others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.errors import CRSError
from rasterio.io import DatasetReader
from rasterio.windows import Window as RasterWindow

from srlab.axes import Window
from srlab.files import PathLike, existing_file, is_remote
from srlab.io.damage import CHECK_ENDING, COPY_AGAIN
from srlab.io.description import Description
from srlab.io.exif import Exif
from srlab.io.handle import ProcessHandle
from srlab.io.raster.bands import (
    colour_table,
    describe,
    masked,
    per_band,
    select,
    unchosen_alpha,
)
from srlab.io.raster.classic_netcdf import check_classic_header
from srlab.io.raster.gdal import gdal
from srlab.io.raster.geometry import RasterGeometry
from srlab.io.raster.jpeg2000 import check_boxes
from srlab.io.raster.orientation import UPRIGHT, Orientation, stored_orientation
from srlab.io.raster.picture_metadata import PictureMetadata, read_picture_metadata
from srlab.io.raster.readable import check_readable
from srlab.io.raster.tags import lasting
from srlab.io.stored import without_infinities
from srlab.io.windows import check_window
from srlab.mistakes import Mistake

PALETTE = "SRLAB_PALETTE"
"""The tag of an image whose colours were read from a palette."""


class RasterReader:
    """A reader of any raster that GDAL opens: stored values · scale + offset of each band.

    `path` is a file, or a name that GDAL resolves, such as a URL (`srlab.files.is_remote`).

    `bands` are numbers from 1, or names. The name of a band is its description in the file. Bands
    without one are named by their colour (R, G, B, A, or Y for the grey of a photograph) or number.

    Colour tables are expanded to grey, RGB or RGBA (`srlab.io.raster.bands.colour_table`). Pictures
    are turned upright by their EXIF orientation. Fully transparent pixels hold no data, unless the
    alpha band is itself among the chosen ones.

    One thread at a time may use a reader.

    Raises a `Mistake` if there is no such file, GDAL cannot open it, or it lacks a band. Also
    raises one for what `check_readable` refuses, and for animations.
    """

    def __init__(self, path: PathLike, *, bands: Sequence[int | str] | None = None) -> None:
        self.path: PathLike = path
        if not is_remote(path):
            self.path = existing_file(path)
            check_classic_header(self.path)
            check_boxes(self.path)
        self._handle = ProcessHandle(partial(rasterio.open, self.path), DatasetReader.close)
        failure = f"{path} is not a raster that GDAL can read"
        with gdal(failure, advice=_when_not_opened(path)), rasterio.open(self.path) as dataset:
            check_readable(dataset, path)
            self._table = colour_table(dataset)
            all_bands = describe(dataset, self._table)
            self._bands = select(all_bands, bands, path)
            self._alpha = unchosen_alpha(all_bands, self._bands)
            if self._alpha is not None:
                self._bands = tuple(map(masked, self._bands))
            metadata = _picture_metadata(dataset, path)
            self._orientation = stored_orientation(dataset, metadata.exif)
            geometry = _geometry(dataset, self._orientation)
            self.description = Description(
                shape=geometry.shape,
                axes=geometry.axes,
                channels=tuple(band.channel for band in self._bands),
                geometry=geometry,
                tags=_tags(dataset, metadata, self._table),
                colour_profile={**metadata.colour_profile, **dataset.tags(ns="COLOR_PROFILE")},
                exif=metadata.exif.lasting(),
                density=metadata.density and self._orientation.upright_shape(metadata.density),
            )
        self._chosen = bands and list(bands)
        channels = self.description.channels
        self._scale = per_band([channel.scale for channel in channels])
        self._offset = per_band([channel.offset for channel in channels])
        self._scaled = bool((self._scale != 1).any() or (self._offset != 0).any())

    def __str__(self) -> str:
        return str(self.path)

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(RasterReader, bands=self._chosen), (str(self.path),)

    def read(self, window: Window) -> NDArray[np.float32]:
        """Read ``(C, *window)`` in physical units, NaN where there is no data.

        Pixels without data have the nodata value or an infinite one, are masked, or transparent.

        Raises a `Mistake` if the window is not inside the image, or its pixels are missing from a
        truncated or damaged file.
        """
        shape = self.description.shape
        check_window(window, shape)
        rows, columns = self._orientation.stored_window(window, shape)
        height, width = rows.stop - rows.start, columns.stop - columns.start
        stored_window = RasterWindow(columns.start, rows.start, width, height)
        failure = f"{self.path} cannot be read at rows {rows.start} to {rows.stop}"
        cause, advice = _when_not_read(self.path)
        with gdal(f"{failure}{cause}", advice=advice):
            values = self._read(self._handle.file(), stored_window)
        return self._orientation.upright(values)

    def close(self) -> None:
        """Release the file."""
        self._handle.close()

    def _read(self, dataset: Any, window: RasterWindow) -> NDArray[np.float32]:
        """Read a window ``(C, h, w)`` of the stored image, not yet turned upright."""
        if self._table is not None:
            return self._read_colours(dataset, window, self._table)
        indexes = [band.index for band in self._bands]
        values: NDArray[Any]
        if self._scaled:
            values = _stored(dataset, indexes, window, "float64")
            values = (values * self._scale + self._offset).astype(np.float32)
        else:
            values = _stored(dataset, indexes, window, "float32")
        self._mark_empty(values, dataset, window)
        return without_infinities(values)

    def _read_colours(
        self, dataset: Any, window: RasterWindow, table: NDArray[np.uint8]
    ) -> NDArray[np.float32]:
        """Read a window of indices, and look them up in the colour table."""
        columns = [band.index - 1 for band in self._bands]
        colours = table[:, columns].astype(np.float32)
        if self._alpha is not None:
            colours[table[:, self._alpha - 1] == 0] = np.nan
        return np.moveaxis(colours[dataset.read(1, window=window)], -1, 0)

    def _mark_empty(self, values: NDArray[Any], dataset: Any, window: RasterWindow) -> None:
        """Set the pixels to NaN that a nodata value, a mask or the alpha band marks as empty."""
        marked = [number for number, band in enumerate(self._bands) if band.empty_pixels]
        if marked:
            indexes = [self._bands[number].index for number in marked]
            masks = dataset.read_masks(indexes, window=window)
            for number, mask in zip(marked, masks, strict=True):
                values[number][mask == 0] = np.nan
        if self._alpha is not None:
            values[:, dataset.read(self._alpha, window=window) == 0] = np.nan


def _stored(dataset: Any, indexes: list[int], window: RasterWindow, dtype: str) -> NDArray[Any]:
    """Read stored values of some bands in a wider type."""
    types = {dataset.dtypes[index - 1] for index in indexes}
    if len(types) == 1:
        values: NDArray[Any] = dataset.read(indexes, window=window, out_dtype=dtype)
        return values
    # Bands of a VRT may have different types, and rasterio reads these only one by one.
    return np.stack([dataset.read(index, window=window, out_dtype=dtype) for index in indexes])


def _picture_metadata(dataset: Any, path: PathLike) -> PictureMetadata:
    """Return the metadata of a picture; none if it is not on a disk.

    Raises a `Mistake` if it is an animation.
    """
    if is_remote(path):
        return PictureMetadata(Exif())
    metadata = read_picture_metadata(existing_file(path), dataset.driver)
    if metadata.frames:
        raise Mistake(
            f"{path} is an animation, and one image is wanted: save the frame that you mean as a "
            "picture of its own."
        )
    if dataset.driver != "GTiff":
        return metadata
    caption = "TIFFTAG_IMAGEDESCRIPTION"
    is_by_program = caption in dataset.tags() and caption not in lasting(dataset.tags())
    if is_by_program:
        metadata = replace(metadata, exif=metadata.exif.without_caption())
    # Only a photograph's density is for printing: not a scene's, nor a microscope's.
    if is_by_program or dataset.crs or not dataset.transform.is_identity:
        metadata = replace(metadata, density=None)
    return metadata


def _tags(
    dataset: Any, metadata: PictureMetadata, table: NDArray[np.uint8] | None
) -> dict[str, str]:
    tags = lasting({**dataset.tags(ns="IMAGERY"), **dataset.tags()})
    if metadata.exif:  # GDAL's texts would repeat it
        tags = {key: value for key, value in tags.items() if not key.startswith("EXIF_")}
    if table is not None and table.shape[1] > 1:
        tags[PALETTE] = f"read as {', '.join('RGBA'[: table.shape[1]])}"
    return tags


def _geometry(dataset: Any, orientation: Orientation) -> RasterGeometry:
    gcps, gcps_crs = dataset.gcps
    transform = dataset.transform
    if transform.is_identity:  # GDAL's default for a file without a place
        transform = None
    stored = RasterGeometry(
        shape=dataset.shape,
        crs=dataset.crs or _noted_crs(dataset),
        transform=transform,
        gcps=tuple(gcps),
        gcps_crs=gcps_crs,
        rpcs=dataset.rpcs,
    )
    if orientation == UPRIGHT:
        return stored
    shape = orientation.upright_shape(dataset.shape)
    return stored.turned(orientation.to_stored(shape), shape)


def _noted_crs(dataset: Any) -> CRS | None:
    """Return the CRS in the attribute ``crs`` of a variable, as old xarray writes it, or None."""
    if dataset.driver not in ("netCDF", "HDF5Image"):
        return None
    attribute = dataset.tags(1).get("crs")
    if not attribute:
        return None
    try:
        return CRS.from_user_input(attribute.removeprefix("+init="))
    except CRSError:
        return None


def _when_not_opened(path: PathLike) -> str:
    """Return what to do about a file that GDAL does not open."""
    if is_remote(path):
        return "Check the name, and the connection if it is a URL."
    return CHECK_ENDING


def _when_not_read(path: PathLike) -> tuple[str, str]:
    """Return the likely cause if pixels cannot be read, and what to do about it."""
    if is_remote(path):
        return "", "Check the connection, or copy the file where it lies again from its source."
    if str(path).lower().endswith(".vrt"):
        return "", "Check that the files it names are there and whole."
    return ": truncated or damaged", COPY_AGAIN
