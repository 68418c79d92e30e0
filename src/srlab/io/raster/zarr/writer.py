"""The writer of Zarr stores, with an array for each band."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from srlab.axes import Window
from srlab.files import replaced_folder
from srlab.io.clipping import Clipping
from srlab.io.description import Channel, Description
from srlab.io.protocols import Provenance
from srlab.io.raster.geometry import RasterGeometry
from srlab.io.raster.staged import SIDE, check_raster, strips
from srlab.io.raster.tags import lasting
from srlab.io.raster.zarr.place import DIMENSIONS, GRID_MAPPING, centres, place_attributes
from srlab.io.raster.zarr.reader import BANDS
from srlab.io.staging import Staging
from srlab.io.stored import holds, to_stored
from srlab.io.windows import check_block
from srlab.io.write_errors import write_errors_as_mistake
from srlab.io.zarr_arrays import compressor
from srlab.mistakes import Mistake

_TAKEN = ("x", "y", GRID_MAPPING)
"""Names of arrays that are not bands."""


class ZarrWriter:
    """The writer of a Zarr store of format 2, which GDAL, xarray and zarr can open.

    Each band is an array with its own type, nodata value (the fill value), scale, offset, unit and
    tags, in square chunks. The place is stored as CF's grid mapping with GDAL's ``GeoTransform``,
    and as coordinates of the pixels' centres unless the raster is rotated. `compression` is
    ``zstd``, ``deflate`` or ``none``.

    Until `finish`, the blocks lie in the folder ``NAME.partial`` beside `path`. Then each chunk is
    written once.

    Raises a `Mistake` if Zarr cannot hold the image: control points, RPCs, or a mask of integers.
    `prepare`, `write` and `finish` raise a `FailedWrite` if the disk is full.
    """

    chunks = (1, 1)  # staged blocks may end anywhere

    def __init__(
        self,
        path: Path,
        description: Description,
        *,
        provenance: Provenance,
        compression: str = "zstd",
    ) -> None:
        check_raster(path, description)
        self.path = path
        self._provenance = provenance
        self._compression = compression
        channels = [_unmasked(channel) for channel in description.channels]
        self._transparent = channels[-1].colour == "alpha" and channels[0].nodata is None
        if self._transparent:
            channels = [replace(channel, masked=False) for channel in channels]
        self._description = description.with_channels(channels)
        problem = _problem(self._description)
        if problem:
            raise Mistake(f"{path} cannot be written: {problem}. Write a .tif.")
        self.clipping = Clipping(channels)
        self._staging = Staging(path, len(channels), description.shape, description.dtype)

    def prepare(self) -> None:
        """Begin the unfinished file."""
        self._staging.prepare()

    def resume(self) -> bool:
        """Go on with the file that an ended process began, if it is there."""
        return self._staging.is_begun

    def write(self, window: Window, array: NDArray[np.float32]) -> None:
        """Write ``(C, *window)`` in physical units, NaN where there is no data.

        Raises a `Mistake` if the window does not fit the store, or the array does not fit the
        window. Also raises one for a NaN that nothing can mark.
        """
        channels = self._description.channels
        check_block(window, array, len(channels), self._description.shape)
        if self._transparent:
            valid = ~np.isnan(array).any(axis=0, keepdims=True)
            array = np.where(valid, array, np.float32(0))
        self.clipping.count(array)
        for number, channel in enumerate(channels):
            stored = to_stored(
                array[number : number + 1],
                scale=channel.scale,
                offset=channel.offset,
                dtype=channel.dtype,
                nodata=channel.nodata,
            )
            self._staging.write(window, stored.astype(self._staging.dtype), first=number)

    def sync(self) -> None:
        """Have the disk hold all that was written."""
        self._staging.sync()

    def finish(self) -> None:
        """Encode the store, and give it its name."""
        with (
            write_errors_as_mistake(self.path),
            replaced_folder(self.path, suffix=".zarr") as unfinished,
        ):
            self._encode(unfinished)
        self.clipping.report(self.path)
        self.discard()

    def discard(self) -> None:
        """Remove the unfinished file."""
        self._staging.discard()

    def _encode(self, target: Path) -> None:
        description = self._description
        names = _array_names(description.channels)
        root = zarr.open_group(target, mode="w", zarr_format=2)
        tags = {**lasting(description.tags), **self._provenance.tags(), **self.clipping.tags}
        root.attrs.update({**tags, "Conventions": "CF-1.11", BANDS: names})
        shared = _write_place(root, description)
        side = min(SIDE, max(description.shape))
        arrays = [
            root.create_array(
                name,
                shape=description.shape,
                chunks=(side, side),
                dtype=channel.dtype,
                fill_value=_fill(channel),
                compressors=compressor(self._compression),
                attributes={**_attributes(channel, name), **shared},
            )
            for name, channel in zip(names, description.channels, strict=True)
        ]
        for window in strips(self._staging):
            for array, plane in zip(arrays, self._staging.read(window), strict=True):
                array[window] = plane.astype(array.dtype)
        zarr.consolidate_metadata(root.store)


def _unmasked(channel: Channel) -> Channel:
    """Return a channel whose empty pixels are NaN instead of masked, if it has floats."""
    if channel.masked and channel.nodata is None and channel.dtype.kind == "f":
        return replace(channel, masked=False, nodata=float("nan"))
    return channel


def _problem(description: Description) -> str | None:
    """Return the reason why the format cannot hold the image, or None."""
    geometry = description.geometry
    if isinstance(geometry, RasterGeometry) and (geometry.gcps or geometry.rpcs):
        return "its place is given by control points or RPCs, and Zarr has no words for these"
    for channel in description.channels:
        if channel.nodata is not None and not holds(channel.dtype, channel.nodata):
            return f"its nodata value {channel.nodata:g} cannot be stored as {channel.dtype}"
        if channel.masked and channel.nodata is None:
            return f"pixels are marked empty by a mask, and Zarr holds none of {channel.dtype}"
    return None


def _array_names(channels: Sequence[Channel]) -> list[str]:
    """Return the name of each band's array: that of the band, if it can be the name of a file."""
    names: list[str] = []
    for number, channel in enumerate(channels, start=1):
        # Not even a colon, by which GDAL separates the parts of its names.
        name = re.sub(r"[^\w.-]", "_", channel.name).strip("._")
        if not name or name in (*names, *_TAKEN):
            name = f"band_{number}"
        names.append(name)
    return names


def _attributes(channel: Channel, name: str) -> dict[str, Any]:
    """Return the attributes of a band: CF's, and srlab's own where CF has none."""
    texts = {"units": channel.unit, "colour": channel.colour}
    attributes: dict[str, Any] = {key: text for key, text in texts.items() if text}
    if channel.is_scaled:
        attributes |= {"scale_factor": channel.scale, "add_offset": channel.offset}
    if channel.name != name:
        attributes["band_name"] = channel.name
    return {**lasting(channel.tags), **attributes, DIMENSIONS: ["y", "x"]}


def _fill(channel: Channel) -> float | int | None:
    """Return the fill value of a band's array, which is the nodata value in its type."""
    if channel.nodata is None or channel.dtype.kind == "f":
        return channel.nodata
    return int(channel.nodata)


def _write_place(root: Any, description: Description) -> Mapping[str, Any]:
    """Write grid mapping and coordinates; return the attributes by which a band refers to them."""
    geometry = description.geometry
    if not isinstance(geometry, RasterGeometry):
        return {}
    for name, values in centres(geometry).items():
        attributes = {DIMENSIONS: [name], "standard_name": f"projection_{name}_coordinate"}
        if geometry.crs and geometry.crs.is_geographic:
            attributes |= _GEOGRAPHIC[name]
        axis = root.create_array(
            name, shape=values.shape, dtype="f8", fill_value=None, attributes=attributes
        )
        axis[:] = values
    place = place_attributes(geometry)
    if not place:
        return {}
    mapping = root.create_array(
        GRID_MAPPING, shape=(), dtype="i4", fill_value=None, attributes={**place, DIMENSIONS: []}
    )
    mapping[()] = 0
    return {"grid_mapping": GRID_MAPPING}


_GEOGRAPHIC = {
    "y": {"standard_name": "latitude", "units": "degrees_north"},
    "x": {"standard_name": "longitude", "units": "degrees_east"},
}
"""CF's attributes of coordinates in degrees."""
