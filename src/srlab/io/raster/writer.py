"""The writer of GeoTIFF, in blocks from any process."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.shutil
from numpy.typing import NDArray

from srlab.axes import Window
from srlab.files import replaced
from srlab.io.description import Description
from srlab.io.protocols import Provenance
from srlab.io.raster.bands import colour_interpretation, stored_name
from srlab.io.raster.encoded import check_complete, note_statistics
from srlab.io.raster.gdal import gdal
from srlab.io.raster.geometry import RasterGeometry
from srlab.io.raster.staged import SIDE, StagedBlocks
from srlab.io.raster.tags import lasting
from srlab.io.raster.tiff_exif import append_exif
from srlab.mistakes import FailedWrite

COMPRESSIONS: dict[str, dict[str, object]] = {
    "deflate": {"compress": "deflate", "zlevel": 1, "num_threads": "all_cpus"},
    "zstd": {"compress": "zstd", "zstd_level": 1, "num_threads": "all_cpus"},
    "none": {},
}
"""GDAL's options for each compression. Every program reads deflate.

On images, higher levels save little and take twice the time.
"""


class GeoTiffWriter:
    """The writer of a tiled, compressed GeoTIFF, which keeps everything in a description.

    It keeps the type, the place (CRS with affine transform, control points, or RPCs), and the
    nodata value or mask. It also keeps names, scales, units, colours and tags of bands, and adds
    the provenance as tags. Integers are rounded to the nearest, halves to even, and clipped.

    `compression` is one of `COMPRESSIONS`. The `layout` ``cog`` gives a cloud-optimised GeoTIFF,
    whose overviews are means of its pixels. If `statistics` is ``true``, the minimum, maximum, mean
    and deviation of each band are stored.

    Until `finish`, the blocks lie in the folder ``NAME.partial`` beside `path`.

    Raises a `Mistake` if a GeoTIFF cannot hold the image. `prepare`, `write` and `finish`
    raise a `FailedWrite` if the disk is full.
    """

    chunks = (1, 1)  # staged blocks may end anywhere

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

        Raises a `Mistake` if the window does not fit the file, or the array does not fit the
        window. Also raises one for a NaN that nothing can mark.
        """
        self._blocks.write(window, array)

    def sync(self) -> None:
        """Have the disk hold all that was written."""
        self._blocks.staging.sync()

    def finish(self) -> None:
        """Encode the file, check that it is complete, and give it its name."""
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
            is_float = self._blocks.dtype.kind == "f"
            options["predictor"] = 3 if is_float else 2  # TIFF's codes of predictors
        write_geotiff(target, self._blocks, self._provenance, **options)
        if self._statistics == "true":
            with writing(self.path):
                note_statistics(target)

    def discard(self) -> None:
        """Remove the unfinished file."""
        self._blocks.staging.discard()


def write_geotiff(
    target: Path, blocks: StagedBlocks, provenance: Provenance, **compression: Any
) -> None:
    """Encode staged blocks as a GeoTIFF, with GDAL's options of `compression`.

    Raises a `FailedWrite` if the disk is full.
    """
    target.unlink(missing_ok=True)  # GDAL would open what a killed process left
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
        # Few bands are fastest to open together; a block of hundreds would be too large.
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
    """Return the side of a block along an axis, which is no longer than a small image needs."""
    return min(SIDE, ceil(pixels / 16) * 16)  # sides of TIFF's tiles are multiples of 16


def _copy_as_cog(plain: Path, target: Path, compression: str) -> None:
    """Copy a GeoTIFF into a cloud-optimised one, with overviews (OGC 21-026)."""
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
        overview_resampling="AVERAGE",  # the default, cubic, overshoots
        statistics="AUTO",  # those of the plain file, if it has any
    )


def writing(path: Path) -> AbstractContextManager[None]:
    """Turn GDAL's errors into a `FailedWrite` that names `path`."""
    failure = f"{path} cannot be written: is the disk full"
    return gdal(failure, error=FailedWrite, sidecars=False)


def _place(description: Description) -> dict[str, Any]:
    """Return rasterio's arguments for the size and the place of an image."""
    height, width = description.shape
    geometry = description.geometry
    if not isinstance(geometry, RasterGeometry):
        geometry = RasterGeometry((height, width))
    place = {"height": height, "width": width, "rpcs": geometry.rpcs}
    # Control points are written only without a transform: GDAL 3.10 would move them by a pixel
    # in a file with AREA_OR_POINT=Point.
    if geometry.gcps and not geometry.transform:
        return {**place, "gcps": list(geometry.gcps), "crs": geometry.gcps_crs}
    return {**place, "transform": geometry.transform, "crs": geometry.crs}


def _describe(dataset: Any, description: Description, provenance: Mapping[str, str]) -> None:
    """Store tags, colours, names, scales and units in an open raster."""
    tags = {**lasting(description.tags), **provenance}
    if description.density is not None:
        rows, columns = (f"{per_metre * 0.0254:.2f}" for per_metre in description.density)
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
