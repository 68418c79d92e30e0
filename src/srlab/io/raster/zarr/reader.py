"""The reader of Zarr stores as rasters: one array, or groups of arrays."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from srlab.axes import Window
from srlab.files import PathLike, existing_path
from srlab.io.blosc import check_blosc
from srlab.io.damage import CHECK_STORE, check_block_size, damage_as_mistake, unreadable
from srlab.io.description import Channel, Description
from srlab.io.handle import ProcessHandle
from srlab.io.raster.geometry import RasterGeometry
from srlab.io.raster.tags import lasting
from srlab.io.raster.zarr.place import read_geometry
from srlab.io.stored import without_infinities
from srlab.io.variables import Part, Variable, check_one_grid, choose
from srlab.io.windows import check_window
from srlab.io.zarr_arrays import arrays_by_name

BANDS = "bands"
"""The attribute of a store that lists the arrays that are the bands of one image."""

Array = Any  # of zarr


class ZarrReader:
    """A reader of bands in a Zarr store of format 2 or 3, in physical units by CF's attributes.

    The store is an array ``(H, W)`` or ``(C, H, W)``, or groups of such arrays. `bands` are names
    of arrays, such as ``[B04, B03]`` or ``[r10m/B04]``, or a band of an array, such as ``rgb:2``.
    All must lie on one grid. If the store has a single array, or lists its bands in the attribute
    ``bands``, numbers from 1 choose among them, and None chooses all.

    As in xarray, the nodata value is the fill value in format 2, and the attribute ``_FillValue``
    in format 3.

    Raises a `Mistake` if the path is no Zarr store, or if it has no such band. Also raises one if
    nothing is chosen among several arrays.
    """

    def __init__(self, path: PathLike, *, bands: Sequence[int | str] | None = None) -> None:
        self.path = existing_path(path)
        self._chosen = bands and list(bands)
        self._handle = ProcessHandle(partial(_Store, self.path))
        store = _Store(self.path)
        self._parts = store.choose(bands)
        with damage_as_mistake(f"{path} contradicts itself", advice=CHECK_STORE):
            self.description = store.describe(self._parts)

    def __str__(self) -> str:
        return str(self.path)

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(ZarrReader, bands=self._chosen), (str(self.path),)

    def read(self, window: Window) -> NDArray[np.float32]:
        """Read ``(C, *window)`` in physical units, NaN where there is no data."""
        check_window(window, self.description.shape)
        arrays = self._handle.file().arrays
        with damage_as_mistake(unreadable(self.path, window)):
            stored: list[NDArray[Any]] = []
            for part in self._parts:
                stored.extend(_planes(arrays[part.variable.name], part.numbers, window))
        pairs = zip(stored, self.description.channels, strict=True)
        return without_infinities(np.stack([_physical(plane, channel) for plane, channel in pairs]))

    def close(self) -> None:
        """Release the store."""
        self._handle.close()


class _Store:
    """An open store: its arrays by their names, and the attributes of its groups."""

    def __init__(self, path: Path) -> None:
        self.path = path
        check_blosc()
        with damage_as_mistake(f"{path} is no Zarr store that can be read", advice=CHECK_STORE):
            root = zarr.open(path, mode="r")
            self.attributes: dict[str, Any] = dict(root.attrs)
            self.arrays: dict[str, Array] = arrays_by_name(root)

    def choose(self, bands: Sequence[int | str] | None) -> tuple[Part, ...]:
        """Return the chosen bands; see `ZarrReader`."""
        listed = self.attributes.get(BANDS)
        if listed:
            bands = listed if bands is None else [self._array(band, listed) for band in bands]
        variables = []
        for name, array in self.arrays.items():
            if _is_image(name, array):
                variables.append(Variable(name, prod(array.shape[:-2])))
        return choose(variables, bands, self.path)

    def _array(self, band: int | str, listed: Sequence[str]) -> int | str:
        """Return the array of a band, by the band's number in the list or its own name.

        A band that is not listed is returned as it is.
        """
        if isinstance(band, int):
            return listed[band - 1] if 1 <= band <= len(listed) else band
        arrays = [name for name in listed if self.arrays[name].attrs.get(_NAME) == band]
        return arrays[0] if arrays else band

    def describe(self, parts: Sequence[Part]) -> Description:
        """Describe an image of the chosen bands; a `Mistake` unless all lie on one grid."""
        for part in parts:
            array = self.arrays[part.variable.name]
            itemsize = np.dtype(array.dtype).itemsize
            check_block_size(self.path, array.chunks, itemsize, "store it in smaller chunks")
        geometries = [self._geometry(part.variable.name) for part in parts]
        check_one_grid(parts, geometries, self.path)
        geometry = geometries[0]
        channels: list[Channel] = []
        for part in parts:
            channels.extend(self._channels(part))
        return Description(
            shape=geometry.shape,
            axes=geometry.axes,
            channels=tuple(channels),
            geometry=geometry,
            tags=lasting(_texts(self.attributes)),
        )

    def _geometry(self, name: str) -> RasterGeometry:
        array = self.arrays[name]
        group = name.rpartition("/")[0]
        beside = {}
        for other_name, other in self.arrays.items():
            other_group, _, short_name = other_name.rpartition("/")
            if other_group == group:
                beside[short_name] = other
        return read_geometry(array, beside, self.attributes | dict(array.attrs))

    def _channels(self, part: Part) -> Iterator[Channel]:
        array = self.arrays[part.variable.name]
        attributes = dict(array.attrs)
        tags = {key: text for key, text in _texts(attributes).items() if key not in _OURS}
        for number in part.numbers:
            name = attributes.get(_NAME, "")
            if not name:
                name = part.variable.band_name(number) if part.variable.name else str(number)
            yield Channel(
                name=name,
                unit=str(attributes.get("units", "")),
                dtype=np.dtype(array.dtype).newbyteorder("="),
                scale=float(attributes.get("scale_factor", 1.0)),
                offset=float(attributes.get("add_offset", 0.0)),
                nodata=_nodata(array, attributes),
                colour=str(attributes.get("colour", "")),
                tags=lasting(tags),
            )


_NAME = "band_name"
"""The attribute with the name of a band, if the array cannot have this name."""

_OURS = (_NAME, "colour")
"""Attributes that srlab writes, and that are not tags."""


def _is_image(name: str, array: Array) -> bool:
    """Whether an array has rows and columns of numbers, and is not CF's bounds of coordinates."""
    are_bounds = name.endswith(("_bnds", "_bounds"))
    return len(array.shape) >= 2 and np.dtype(array.dtype).kind in "iuf" and not are_bounds


def _texts(attributes: Mapping[str, Any]) -> dict[str, str]:
    """Return the attributes that are texts or numbers, as texts."""
    plain = {
        key: value for key, value in attributes.items() if isinstance(value, str | int | float)
    }
    return {key: str(value) for key, value in plain.items()}


def _planes(
    array: Array, numbers: Sequence[int], window: Window
) -> list[NDArray[Any]] | NDArray[Any]:
    """Read bands ``(C, *window)`` as stored, by their numbers from 1."""
    rows, columns = window
    indices = [number - 1 for number in numbers]
    if len(array.shape) == 3:  # read together, since a chunk may hold several bands
        planes: NDArray[Any] = array.oindex[indices, rows, columns]
        return planes
    # Bands are counted over all axes before rows and columns.
    leading = [np.unravel_index(index, array.shape[:-2]) for index in indices]
    return [array[(*map(int, index), rows, columns)] for index in leading]


def _physical(stored: NDArray[Any], channel: Channel) -> NDArray[np.float32]:
    values = stored.astype(np.float32)
    if channel.is_scaled:
        values = (stored.astype(np.float64) * channel.scale + channel.offset).astype(np.float32)
    if channel.nodata is not None:
        values[stored == channel.nodata] = np.nan
    return values


def _nodata(array: Array, attributes: Mapping[str, Any]) -> float | None:
    """Return the stored value that stands for no data, or None."""
    stated = attributes.get("_FillValue", attributes.get("missing_value"))
    if stated is None and array.metadata.zarr_format == 2:
        stated = array.metadata.fill_value
    return None if stated is None else _number(stated)


def _number(stated: Any) -> float:
    """Return a number; xarray writes it as the eight bytes of a float64 in base 64."""
    try:
        return float(stated)
    except ValueError:
        return float(np.frombuffer(base64.b64decode(stated), "<f8")[0])
