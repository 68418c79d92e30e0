"""Rasters through GDAL: GeoTIFF, JPEG 2000, PNG, JPEG, VRT and all else that it reads; GeoTIFF out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import rasterio
from numpy.typing import DTypeLike, NDArray
from rasterio.enums import ColorInterp
from rasterio.windows import Window as RasterWindow

from srlab.files import PathLike, existing_file, new_file, partial_file, remove_partial
from srlab.io.protocols import Provenance, Window
from srlab.io.raster.bands import colour_table, describe, fresh, per_band, select, table_bands
from srlab.io.raster.gdal import gdal
from srlab.io.raster.geometry import RasterGeometry
from srlab.io.raster.orientation import EXIF_ORIENTATIONS, UPRIGHT
from srlab.io.stored import holds, to_stored
from srlab.io.windows import check_window
from srlab.mistakes import FailedWrite, Mistake

_BLOCK = 512


class RasterReader:
    """Any raster that GDAL reads, a window at a time, in physical units: stored values · scale + offset per band.

    Colour tables are expanded to RGB, or RGBA where an entry is transparent, and JPEGs turned upright by their EXIF
    orientation. `bands` chooses by number from 1 or by name; names are the file's own, else R, G, B, A or Y (a
    picture's grey) by colour, else the number. A reader may be pickled and forked, since each process opens the file
    for itself at its first read; one thread at a time may use it. After `close` another `read` opens it anew.

    Raises
    ------
    FileNotFoundError, IsADirectoryError
        Where there is no such file.
    ValueError
        Where GDAL cannot open it, it holds several images or complex numbers, or has no such bands.
    """

    def __init__(self, path: PathLike, *, bands: Sequence[int | str] | None = None) -> None:
        self.path = existing_file(path)
        self._handle: tuple[int, Any] | None = None
        with (
            gdal(f"{path} is not a raster that GDAL can read"),
            rasterio.open(self.path) as dataset,
        ):
            parts = len(dataset.subdatasets)
            # a picture's further parts are thumbnails; a TIFF's are pages, of which GDAL opens the first
            if not dataset.count or (dataset.driver == "GTiff" and parts > 1):
                raise Mistake(
                    f"{path} holds {parts} images, and one is wanted: extract it, as by gdal_translate."
                )
            if "complex" in " ".join(dataset.dtypes):
                raise Mistake(
                    f"{path} holds complex numbers: write their magnitude to a file of float32 first."
                )
            self._table = colour_table(dataset)
            found = describe(dataset) if self._table is None else table_bands(self._table.shape[1])
            self.bands = select(found, bands, path)
            self.tags: dict[str, str] = dataset.tags()
            self.colour_profile: dict[str, str] = dataset.tags(ns="COLOR_PROFILE")
            orientation = (
                self.tags.get("EXIF_Orientation", "1") if dataset.driver == "JPEG" else "1"
            )
            self._orientation = EXIF_ORIENTATIONS.get(orientation, UPRIGHT)
            self.geometry = self._geometry(dataset)
        self.shape = self.geometry.shape
        self.channels = tuple(band.name for band in self.bands)
        self.dtype: np.dtype[Any] = np.result_type(*(band.dtype for band in self.bands))

    def __str__(self) -> str:
        return str(self.path)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_handle": None}

    @property
    def has_mask(self) -> bool:
        """Whether `read` may return NaN for pixels that a mask, and no nodata value, marks as empty."""
        return any(band.masked and band.nodata is None for band in self.bands)

    def read(self, window: Window) -> NDArray[np.float32]:
        """Read ``(C, *window)`` in physical units, NaN at nodata and under the file's mask.

        Raises
        ------
        ValueError
            Where the window is not inside the image, or its pixels are missing from a truncated or damaged file.
        """
        inside = check_window(window, self.shape)
        rows, columns = self._orientation.stored_window(inside, self.shape)
        place = RasterWindow(
            columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start
        )
        with gdal(
            f"{self.path} cannot be read at rows {rows.start} to {rows.stop}: truncated or damaged"
        ):
            dataset = self._open()
            values = (
                self._colours(dataset, place)
                if self._table is not None
                else self._values(dataset, place)
            )
        return self._orientation.upright(values)

    def close(self) -> None:
        """Release the file."""
        if self._handle is not None and self._handle[0] == os.getpid():
            self._handle[1].close()
        self._handle = None

    def _open(self) -> Any:
        # a handle that a fork inherited shares its place in the file with the parent's
        if self._handle is None or self._handle[0] != os.getpid():
            self._handle = (os.getpid(), rasterio.open(self.path))
        return self._handle[1]

    def _values(self, dataset: Any, place: RasterWindow) -> NDArray[np.float32]:
        scaled = any((band.scale, band.offset) != (1.0, 0.0) for band in self.bands)
        indexes = [band.index for band in self.bands]
        values = dataset.read(indexes, window=place, out_dtype="float64" if scaled else "float32")
        if scaled:
            values = (
                values * per_band(self.bands, "scale") + per_band(self.bands, "offset")
            ).astype(np.float32)
        masked = [position for position, band in enumerate(self.bands) if band.masked]
        if masked:
            masks = dataset.read_masks([indexes[position] for position in masked], window=place)
            for position, mask in zip(masked, masks, strict=True):
                values[position][mask == 0] = np.nan
        result: NDArray[np.float32] = values
        return result

    def _colours(self, dataset: Any, place: RasterWindow) -> NDArray[np.float32]:
        assert self._table is not None
        table = self._table[:, [band.index - 1 for band in self.bands]].astype(np.float32)
        return np.moveaxis(table[dataset.read(1, window=place)], -1, 0)

    def _geometry(self, dataset: Any) -> RasterGeometry:
        gcps, gcps_crs = dataset.gcps
        stored = RasterGeometry(
            shape=dataset.shape,
            crs=dataset.crs,
            transform=None if dataset.transform.is_identity else dataset.transform,
            gcps=tuple(gcps),
            gcps_crs=gcps_crs,
            rpcs=dataset.rpcs,
        )
        if self._orientation == UPRIGHT:
            return stored
        shape = self._orientation.upright_shape(dataset.shape)
        return stored.turned(self._orientation.to_stored(shape), shape)


class RasterWriter:
    """A tiled, compressed GeoTIFF that says of its pixels what `like` says, `scale` times as many of them.

    Carried are the type (unless `dtype` is given), CRS, affine, control points, RPCs, nodata, mask, band names,
    scales and offsets, units, colours and tags, to which the provenance is added. The file is written under a hidden
    name beside `path`, and gets its own on `close`. Blocks of 512×512 pixels are compressed once if they are
    written whole. Integers are rounded to the nearest, halves to even, and clipped.

    Raises
    ------
    FileExistsError, FileNotFoundError, IsADirectoryError, PermissionError, ValueError
        Where `path` exists without `overwrite`, cannot be written, or is the input; where `dtype` cannot hold the
        nodata value.
    OSError
        From `write` and `close`, where GDAL cannot write, as on a full disk.
    """

    def __init__(
        self,
        path: PathLike,
        *,
        like: RasterReader,
        scale: tuple[int, int],
        provenance: Provenance,
        dtype: DTypeLike | None = None,
        overwrite: bool = False,
    ) -> None:
        self.path = new_file(path, overwrite=overwrite, source=like.path)
        self.dtype: np.dtype[Any] = np.dtype(dtype or like.dtype)
        self.nodata = next((band.nodata for band in like.bands if band.nodata is not None), None)
        if self.nodata is not None and not holds(self.dtype, self.nodata):
            raise Mistake(
                f"the nodata value {self.nodata:g} of {like.path} cannot be stored as {self.dtype}: "
                "write float32, or the input's own type."
            )
        self._like = like
        self._geometry = like.geometry.scaled(scale)
        self._masked = like.has_mask and self.nodata is None
        self._partial = partial_file(self.path)
        self._dataset: Any = None
        remove_partial(self._partial)
        try:
            with self._gdal():
                self._dataset = rasterio.open(self._partial, "w", **self._profile())
                self._describe(provenance)
        except BaseException:
            self.abort()
            raise

    def write(self, window: Window, array: NDArray[np.float32]) -> None:
        """Write ``(C, *window)`` given in physical units, NaN where there is no data.

        Raises
        ------
        ValueError
            Where the array does not fit the window or the window the file, or NaN comes and nothing can mark it.
        """
        rows, columns = check_window(window, self._geometry.shape)
        wanted = (len(self._like.bands), rows.stop - rows.start, columns.stop - columns.start)
        if array.shape != wanted:
            raise Mistake(
                f"got an array of shape {array.shape} for the window {window}; its shape must be {wanted}."
            )
        valid = ~np.isnan(array).any(axis=0)
        stored = to_stored(
            np.where(valid, array, np.float32(0)) if self._masked else array,
            scale=per_band(self._like.bands, "scale"),
            offset=per_band(self._like.bands, "offset"),
            dtype=self.dtype,
            nodata=self.nodata,
        )
        place = RasterWindow(columns.start, rows.start, wanted[2], wanted[1])
        with self._gdal():
            self._dataset.write(stored, window=place)
            if self._masked:
                self._dataset.write_mask(valid, window=place)

    def close(self) -> None:
        """Finish the file, check that all of it is on the disk, and give it its name."""
        if self._dataset is None:
            return
        try:
            with self._gdal():
                self._dataset.close()
            self._check_complete()
            os.replace(self._partial, self.path)
        except BaseException:
            self.abort()
            raise
        self._dataset = None

    def abort(self) -> None:
        """Remove what was written so far, and leave nothing under the file's name."""
        dataset, self._dataset = self._dataset, None
        remove_partial(self._partial)
        if dataset is not None and not dataset.closed:
            with self._gdal():
                dataset.close()
            remove_partial(self._partial)

    def _gdal(self) -> Any:
        return gdal(
            f"{self.path} cannot be written: is the disk full", error=FailedWrite, sidecars=False
        )

    def _profile(self) -> dict[str, Any]:
        geometry, count = self._geometry, len(self._like.bands)
        # GDAL 3.10 moves control points by a pixel when it writes them as AREA_OR_POINT=Point, so not both
        points = not geometry.transform and bool(geometry.gcps)
        where = (
            {"gcps": list(geometry.gcps), "crs": geometry.gcps_crs}
            if points
            else {"transform": geometry.transform, "crs": geometry.crs}
        )
        colours = tuple(band.colour for band in self._like.bands[:3])
        rgb = colours == (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
        return {
            "driver": "GTiff",
            "height": geometry.shape[0],
            "width": geometry.shape[1],
            "count": count,
            "dtype": self.dtype.name,
            "nodata": self.nodata,
            "rpcs": geometry.rpcs,
            "tiled": True,
            "blockxsize": _BLOCK,
            "blockysize": _BLOCK,
            "compress": "deflate",
            "predictor": 3 if self.dtype.kind == "f" else 2,
            # pictures open fastest by pixel; of hundreds of bands a block must not hold all
            "interleave": "pixel" if count <= 4 else "band",
            "photometric": "RGB" if rgb else "MINISBLACK",
            "bigtiff": "IF_SAFER",
            **where,
        }

    def _describe(self, provenance: Provenance) -> None:
        dataset, like = self._dataset, self._like
        tags = {**fresh(like.tags), **provenance.tags(), "TIFFTAG_SOFTWARE": provenance.software}
        if not self._geometry.transform:
            tags.pop("AREA_OR_POINT", None)
        dataset.update_tags(**tags)
        dataset.update_tags(ns="COLOR_PROFILE", **like.colour_profile)
        dataset.colorinterp = [band.colour for band in like.bands]
        dataset.descriptions = [band.description for band in like.bands]
        dataset.scales = [band.scale for band in like.bands]
        dataset.offsets = [band.offset for band in like.bands]
        dataset.units = [band.unit for band in like.bands]
        for index, band in enumerate(like.bands, start=1):
            dataset.update_tags(index, **fresh(band.tags))

    def _check_complete(self) -> None:
        # GDAL writes its last blocks on closing, and closing reports no error
        size = self._partial.stat().st_size
        with self._gdal(), rasterio.open(self._partial) as dataset:
            for index in dataset.indexes if dataset.interleaving.value == "BAND" else [1]:
                for (row, column), _ in dataset.block_windows(index):
                    start, length = (
                        int(
                            dataset.get_tag_item(f"BLOCK_{what}_{column}_{row}", "TIFF", bidx=index)
                            or 0
                        )
                        for what in ("OFFSET", "SIZE")
                    )
                    if not length or start + length > size:
                        raise FailedWrite(
                            f"{self.path} could not be written whole: is the disk full?"
                        )
