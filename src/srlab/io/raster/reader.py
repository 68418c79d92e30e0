"""Rasters through GDAL: GeoTIFF, JPEG 2000, PNG, JPEG, VRT and all others that it reads."""

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
"""The tag of an image that was read from a palette."""


class RasterReader:
    """Any raster that GDAL reads, in physical units: stored values · scale + offset per band.

    It is a file, or a name that GDAL resolves (`srlab.files.is_remote`): in an archive, at a URL.

    Colour tables are expanded to RGB, to RGBA where an entry is transparent, or to grey if all
    entries are. Pictures are turned upright by their EXIF orientation. `bands` chooses by number
    from 1 or by name. Names are the file's own; otherwise the colour's (R, G, B, A, or Y for a
    picture's grey), or the number.

    What is wholly transparent holds no data, unless the alpha band is itself among the chosen ones.

    A reader may be pickled and forked: each process opens the file for itself at its first read.
    One thread at a time may use it. After `close` another `read` opens the file anew.

    Raises a `Mistake` if there is no such file or GDAL cannot open it. Several images, complex
    numbers, missing bands and what `check_readable` refuses are one, too.
    """

    def __init__(self, path: PathLike, *, bands: Sequence[int | str] | None = None) -> None:
        self.path: PathLike = path
        if not is_remote(path):
            self.path = existing_file(path)
            check_classic_header(self.path)
            check_boxes(self.path)
        self._handle = ProcessHandle(partial(rasterio.open, self.path), DatasetReader.close)
        failure = f"{path} is not a raster that GDAL can read"
        with gdal(failure), rasterio.open(self.path) as dataset:
            check_readable(dataset, path)
            self._table = colour_table(dataset)
            every = describe(dataset, self._table)
            self._bands = select(every, bands, path)
            self._alpha = unchosen_alpha(every, self._bands)
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

        That is at nodata, at infinite values, under a mask and where nothing is opaque at all.

        Raises a `Mistake` if the window is not inside the image, or its pixels are missing from a
        truncated or damaged file.
        """
        shape = self.description.shape
        check_window(window, shape)
        rows, columns = self._orientation.stored_window(window, shape)
        height, width = rows.stop - rows.start, columns.stop - columns.start
        place = RasterWindow(columns.start, rows.start, width, height)
        with gdal(
            f"{self.path} cannot be read at rows {rows.start} to {rows.stop}: truncated or damaged"
        ):
            values = self._read(self._handle.file(), place)
        return self._orientation.upright(values)

    def close(self) -> None:
        """Release the file."""
        self._handle.close()

    def _read(self, dataset: Any, place: RasterWindow) -> NDArray[np.float32]:
        indexes = [band.index for band in self._bands]
        if self._table is not None:
            colours = self._table[:, [index - 1 for index in indexes]].astype(np.float32)
            if self._alpha is not None:
                colours[self._table[:, self._alpha - 1] == 0] = np.nan
            return np.moveaxis(colours[dataset.read(1, window=place)], -1, 0)
        values: NDArray[Any]
        if self._scaled:
            values = _stored(dataset, indexes, place, "float64")
            values = (values * self._scale + self._offset).astype(np.float32)
        else:
            values = _stored(dataset, indexes, place, "float32")
        with_empty = [at for at, band in enumerate(self._bands) if band.empty_pixels]
        if with_empty:
            masks = dataset.read_masks([indexes[at] for at in with_empty], window=place)
            for at, mask in zip(with_empty, masks, strict=True):
                values[at][mask == 0] = np.nan
        if self._alpha is not None:
            values[:, dataset.read(self._alpha, window=place) == 0] = np.nan
        return without_infinities(values)


def _stored(dataset: Any, indexes: list[int], place: RasterWindow, dtype: str) -> NDArray[Any]:
    types = {dataset.dtypes[index - 1] for index in indexes}
    if len(types) == 1:
        values: NDArray[Any] = dataset.read(indexes, window=place, out_dtype=dtype)
        return values
    # rasterio reads bands of several types, which a VRT may have, one by one alone
    return np.stack([dataset.read(index, window=place, out_dtype=dtype) for index in indexes])


def _picture_metadata(dataset: Any, path: PathLike) -> PictureMetadata:
    """Return what a picture says beside its pixels; nothing of one that is not on a disk."""
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
    stale = caption in dataset.tags() and caption not in lasting(dataset.tags())
    if stale:
        metadata = replace(metadata, exif=metadata.exif.without_caption())
    # The density of a scene means nothing in print, and that of a microscope another thing.
    if stale or dataset.crs or not dataset.transform.is_identity:
        metadata = replace(metadata, density=None)
    return metadata


def _tags(
    dataset: Any, metadata: PictureMetadata, table: NDArray[np.uint8] | None
) -> dict[str, str]:
    tags = lasting({**dataset.tags(ns="IMAGERY"), **dataset.tags()})  # of the acquisition, too
    if metadata.exif:  # which GDAL puts into words
        tags = {key: value for key, value in tags.items() if not key.startswith("EXIF_")}
    if table is not None and table.shape[1] > 1:
        tags[PALETTE] = f"read as {', '.join('RGBA'[: table.shape[1]])}"
    return tags


def _geometry(dataset: Any, orientation: Orientation) -> RasterGeometry:
    gcps, gcps_crs = dataset.gcps
    transform = dataset.transform
    if transform.is_identity:  # as of a file that lies nowhere
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
    """Return the CRS that older releases of xarray note as a variable's attribute, or None."""
    noted = dataset.tags(1).get("crs") if dataset.driver in ("netCDF", "HDF5Image") else None
    if not noted:
        return None
    try:
        return CRS.from_user_input(noted.removeprefix("+init="))
    except CRSError:
        return None
