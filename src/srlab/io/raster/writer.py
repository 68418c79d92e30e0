"""GeoTIFF out, in blocks from any process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.shutil
from numpy.typing import NDArray
from rasterio.windows import Window as RasterWindow

from srlab.axes import Window
from srlab.files import replaced
from srlab.io.clipping import Clipping
from srlab.io.description import Description
from srlab.io.protocols import Provenance
from srlab.io.raster.bands import colour_interpretation, per_band, stored_name
from srlab.io.raster.encoded import check_complete, note_statistics
from srlab.io.raster.gdal import gdal
from srlab.io.raster.geometry import RasterGeometry
from srlab.io.raster.tags import lasting
from srlab.io.raster.tiff_exif import append_exif
from srlab.io.staging import Staging
from srlab.io.stored import holds, to_stored
from srlab.io.windows import check_block
from srlab.mistakes import FailedWrite, Mistake

SIDE = 512
"""Pixels along both axes of the blocks in which the file is compressed."""

STRIP_BYTES = 32 * 2**20
"""The most that is held of the blocks while a file is encoded, unless one block is larger."""

COMPRESSIONS: dict[str, dict[str, object]] = {
    "deflate": {"compress": "deflate", "zlevel": 1, "num_threads": "all_cpus"},
    "zstd": {"compress": "zstd", "zstd_level": 1, "num_threads": "all_cpus"},
    "none": {},
}
"""Every program reads deflate. On images higher levels save little and cost twice the time."""


class GeoTiffWriter:
    """A tiled, compressed GeoTIFF that says of its pixels all that the description says.

    These are type, CRS, affine, control points, RPCs, nodata, mask, band names, scales and offsets,
    units, colours and tags. The provenance is added. Integers are rounded to the nearest, halves
    to even, and clipped. `compression` is one of `COMPRESSIONS`. The `layout` ``cog`` makes it a
    cloud-optimised GeoTIFF, with overviews that are means of its pixels. With `statistics`
    ``true`` each band notes its minimum, maximum, mean and deviation. Until `finish` the blocks lie
    in a file of the folder ``NAME.partial`` beside `path`.

    Raises a `Mistake` if a GeoTIFF cannot hold what is described. `prepare`, `write` and `finish`
    raise a `FailedWrite` if the disk is full.
    """

    chunks = (1, 1)  # blocks wait on the disk, and may end anywhere

    def __init__(
        self,
        path: Path,
        description: Description,
        *,
        provenance: Provenance,
        compression: str = "deflate",
        layout: str = "plain",
        statistics: str = "false",
    ) -> None:
        self.path = path
        self._provenance = provenance
        self._compression = compression
        self._layout = layout
        self._statistics = statistics
        self._blocks = StagedBlocks(path, description)
        self.clipping = self._blocks.clipping

    def prepare(self) -> None:
        """Begin the unfinished file."""
        self._blocks.staging.prepare()

    def resume(self) -> bool:
        """Go on with the file that an ended process began, if it is there."""
        return self._blocks.staging.is_begun

    def write(self, window: Window, array: NDArray[np.float32]) -> None:
        """Write ``(C, *window)`` in physical units, NaN where there is no data.

        Raises a `Mistake` if the window does not fit the file, or the array the window. It does so,
        too, if there is a NaN and nothing can mark it.
        """
        self._blocks.write(window, array)

    def sync(self) -> None:
        """Have the disk hold all that was written."""
        self._blocks.staging.sync()

    def finish(self) -> None:
        """Encode the file, check that all of it is on the disk, and give it its name."""
        with replaced(self.path, suffix=".tif") as unfinished:
            if self._layout == "cog":
                self._encode_cog(unfinished)
            else:
                self._encode(unfinished)
                self._append_exif(unfinished)
            with writing(self.path):
                check_complete(unfinished, self.path)
        self.clipping.report(self.path)
        self.discard()

    def _append_exif(self, target: Path) -> None:
        description = self._blocks.description
        if description.exif:
            append_exif(target, description.exif.of_upright(description.shape, None))

    def _encode_cog(self, target: Path) -> None:
        plain = target.with_name(f"{target.name}.plain.tif")
        try:
            self._encode(plain)
            with writing(self.path):
                _copy_as_cog(plain, target, self._compression)
        finally:
            plain.unlink(missing_ok=True)

    def _encode(self, target: Path) -> None:
        options = dict(COMPRESSIONS[self._compression])
        if options:
            options["predictor"] = {"f": 3}.get(self._blocks.dtype.kind, 2)
        write_geotiff(target, self._blocks, self._provenance, **options)
        if self._statistics == "true":
            with writing(self.path):
                note_statistics(target)

    def discard(self) -> None:
        """Remove the unfinished file."""
        self._blocks.staging.discard()


class StagedBlocks:
    """The blocks of a raster as they are to be stored: its bands, then its mask if it has one.

    Where an alpha band is the last of the channels, it takes the place of the mask.
    """

    def __init__(self, path: Path, description: Description) -> None:
        channels = description.channels
        check_raster(path, description)
        self.description = description
        self.dtype = description.dtype
        self.nodata = next((each.nodata for each in channels if each.nodata is not None), None)
        if self.nodata is not None and not holds(self.dtype, self.nodata):
            raise Mistake(
                f"the nodata value {self.nodata:g} of {path} cannot be stored as {self.dtype}: "
                "write float32, or the input's own type."
            )
        by_mask = self.nodata is None and any(channel.masked for channel in channels)
        self.transparent = self.nodata is None and channels[-1].colour == "alpha"
        """Whether empty pixels are marked by an alpha band, in which they are zero."""
        self.masked = by_mask and not self.transparent
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
        """Write all blocks to an open raster, in one order."""
        count = len(self.description.channels)
        for window in strips(self.staging):
            planes = self.staging.read(window)
            place = RasterWindow.from_slices(*window)
            dataset.write(planes[:count], window=place)
            if self.masked:
                dataset.write_mask(planes[count] != 0, window=place)


def check_raster(path: Path, description: Description) -> None:
    """Raise a `Mistake` unless it is an image of two axes that lies on the Earth or nowhere."""
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
    """Divide a raster into windows of `SIDE` rows, on whose multiples columns are cut, too."""
    height, width = staging.shape
    # Long strips, since short pieces of rows are slow to read.
    column_bytes = SIDE * staging.planes * staging.dtype.itemsize
    columns = max(STRIP_BYTES // column_bytes // SIDE, 1) * SIDE
    for top in range(0, height, SIDE):
        for left in range(0, width, columns):
            yield slice(top, min(top + SIDE, height)), slice(left, min(left + columns, width))


def write_geotiff(
    target: Path, blocks: StagedBlocks, provenance: Provenance, **compression: Any
) -> None:
    """Encode blocks as a GeoTIFF; a `FailedWrite` if the disk is full."""
    target.unlink(missing_ok=True)  # of a run that was killed; GDAL would try to open it
    description = blocks.description
    height, width = description.shape
    profile = {
        "driver": "GTiff",
        "count": len(description.channels),
        "dtype": blocks.dtype.name,
        "nodata": blocks.nodata,
        "tiled": True,
        "blockxsize": _block_side(width),
        "blockysize": _block_side(height),
        # Pictures open fastest by pixel; of hundreds of bands a block must not hold all.
        "interleave": "pixel" if len(description.channels) <= 4 else "band",
        "photometric": "MINISBLACK",
        "bigtiff": "IF_SAFER",
        **_place(description),
        **compression,
    }
    if [channel.colour for channel in description.channels[:3]] == ["red", "green", "blue"]:
        profile["photometric"] = "RGB"
    with writing(blocks.staging.output), rasterio.open(target, "w", **profile) as dataset:
        _describe(dataset, description, {**provenance.tags(), **blocks.clipping.tags})
        dataset.update_tags(TIFFTAG_SOFTWARE=provenance.software)
        blocks.copy(dataset)


def _block_side(pixels: int) -> int:
    """Return the side of a block along an axis; one beyond the image would be filled up for it."""
    return min(SIDE, -(-pixels // 16) * 16)  # TIFF's tiles have multiples of 16


def _copy_as_cog(plain: Path, target: Path, compression: str) -> None:
    """Copy a GeoTIFF with overviews, in the order that ranged requests like (OGC 21-026)."""
    rasterio.shutil.copy(
        plain,
        target,
        driver="COG",
        compress=compression,
        level=1,
        predictor="YES",
        blocksize=SIDE,
        bigtiff="IF_SAFER",
        num_threads="ALL_CPUS",
        # Means keep the radiometry; the default, cubic, overshoots.
        overview_resampling="AVERAGE",
        statistics="AUTO",  # as the plain file has them
    )


def writing(path: Path) -> AbstractContextManager[None]:
    """Make what GDAL cannot write a `FailedWrite` that names `path`."""
    failure = f"{path} cannot be written: is the disk full"
    return gdal(failure, error=FailedWrite, sidecars=False)


def _place(description: Description) -> dict[str, Any]:
    height, width = description.shape
    geometry = description.geometry
    if not isinstance(geometry, RasterGeometry):
        geometry = RasterGeometry((height, width))
    place = {"height": height, "width": width, "rpcs": geometry.rpcs}
    # GDAL 3.10 moves control points by a pixel when it writes them as AREA_OR_POINT=Point, so
    # never both.
    if geometry.gcps and not geometry.transform:
        return {**place, "gcps": list(geometry.gcps), "crs": geometry.gcps_crs}
    return {**place, "transform": geometry.transform, "crs": geometry.crs}


def _describe(dataset: Any, description: Description, made: Mapping[str, str]) -> None:
    tags = {**lasting(description.tags), **made}
    if description.density is not None:
        rows, columns = (f"{each * 0.0254:.2f}" for each in description.density)
        tags |= {"TIFFTAG_YRESOLUTION": rows, "TIFFTAG_XRESOLUTION": columns}
        tags["TIFFTAG_RESOLUTIONUNIT"] = "2"  # inches
    if dataset.transform.is_identity:
        tags.pop("AREA_OR_POINT", None)
    dataset.update_tags(**tags)
    dataset.update_tags(ns="COLOR_PROFILE", **description.colour_profile)
    channels = description.channels
    dataset.colorinterp = [colour_interpretation(channel) for channel in channels]
    dataset.descriptions = [stored_name(channel) for channel in channels]
    dataset.scales = [channel.scale for channel in channels]
    dataset.offsets = [channel.offset for channel in channels]
    dataset.units = [channel.unit for channel in channels]
    for index, channel in enumerate(channels, start=1):
        dataset.update_tags(index, **lasting(channel.tags))
