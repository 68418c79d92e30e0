"""Zarr stores of any layout: one array, or groups of arrays."""

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
from srlab.io.damage import check_block_size, damage_told
from srlab.io.description import Channel, Description
from srlab.io.handle import ProcessHandle
from srlab.io.raster.tags import lasting
from srlab.io.raster.zarr.place import read_geometry
from srlab.io.stored import without_infinities
from srlab.io.variables import Part, Variable, check_one_grid, choose
from srlab.io.windows import check_window
from srlab.io.zarr_arrays import arrays_by_name

BANDS = "bands"
"""The attribute of a group that lists the arrays which are the bands of one image, in order."""

Array = Any


class ZarrReader:
    """Bands of a Zarr store, of format 2 or 3, in physical units by CF's attributes.

    The store is an array ``(H, W)`` or ``(C, H, W)``, or groups of such arrays. `bands` are names
    of arrays, such as ``[B04, B03]`` or ``[r10m/B04]``, or of a band of one, such as ``rgb:2``.
    They must lie on one grid. None, or numbers from 1, are the bands of the only array, or those
    that the attribute ``bands`` of the store lists. As for xarray, the fill value of format 2 is no
    data, and in format 3 the attribute ``_FillValue``.

    Raises a `Mistake` if it is no Zarr store or has no such band, or several arrays and no choice.
    """

    def __init__(self, path: PathLike, *, bands: Sequence[int | str] | None = None) -> None:
        self.path = existing_path(path)
        self._chosen = bands and list(bands)
        self._handle = ProcessHandle(partial(_Store, self.path))
        store = _Store(self.path)
        self._parts = store.choose(bands)
        with damage_told(f"{path} contradicts itself"):
            self.description = store.describe(self._parts)

    def __str__(self) -> str:
        return str(self.path)

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(ZarrReader, bands=self._chosen), (str(self.path),)

    def read(self, window: Window) -> NDArray[np.float32]:
        """Read ``(C, *window)`` in physical units, NaN where there is no data."""
        check_window(window, self.description.shape)
        arrays = self._handle.file().arrays
        with damage_told(f"{self.path} cannot be read at {window}: truncated or damaged"):
            stored = [
                _planes(arrays[part.variable.name], part.numbers, window) for part in self._parts
            ]
        planes = [plane for planes in stored for plane in planes]
        pairs = zip(planes, self.description.channels, strict=True)
        return without_infinities(np.stack([_physical(plane, channel) for plane, channel in pairs]))

    def close(self) -> None:
        """Release the store."""
        self._handle.close()


class _Store:
    """An open store: its arrays by their names, and the attributes of its groups."""

    def __init__(self, path: Path) -> None:
        self.path = path
        check_blosc()
        with damage_told(f"{path} is no Zarr store that can be read"):
            root = zarr.open(path, mode="r")
            self.attributes: dict[str, Any] = dict(root.attrs)
            self.arrays: dict[str, Array] = arrays_by_name(root)

    def choose(self, bands: Sequence[int | str] | None) -> tuple[Part, ...]:
        listed = self.attributes.get(BANDS)
        if listed:
            bands = listed if bands is None else [self._array(band, listed) for band in bands]
        images = ((name, each) for name, each in self.arrays.items() if _is_image(name, each))
        variables = [Variable(name, prod(each.shape[:-2])) for name, each in images]
        return choose(variables, bands, self.path)

    def _array(self, band: int | str, listed: Sequence[str]) -> int | str:
        """Return the name of the array of a band that is given by its number or its own name."""
        if isinstance(band, int):
            return listed[band - 1] if 1 <= band <= len(listed) else band
        own = [name for name in listed if self.arrays[name].attrs.get(_NAME) == band]
        return own[0] if own else band

    def describe(self, parts: Sequence[Part]) -> Description:
        for part in parts:
            array = self.arrays[part.variable.name]
            itemsize = np.dtype(array.dtype).itemsize
            check_block_size(self.path, array.chunks, itemsize, "store it in smaller chunks")
        geometries = [self._geometry(part.variable.name) for part in parts]
        check_one_grid(parts, geometries, self.path)
        geometry = geometries[0]
        channels = [channel for part in parts for channel in self._channels(part)]
        texts = {key: str(value) for key, value in self.attributes.items() if _is_plain(value)}
        return Description(
            shape=geometry.shape,
            axes=geometry.axes,
            channels=tuple(channels),
            geometry=geometry,
            tags=lasting(texts),
        )

    def _geometry(self, name: str) -> Any:
        array = self.arrays[name]
        group = name.rpartition("/")[0]
        beside = {
            other.rpartition("/")[2]: each
            for other, each in self.arrays.items()
            if other.rpartition("/")[0] == group
        }
        return read_geometry(array, beside, self.attributes | dict(array.attrs))

    def _channels(self, part: Part) -> Iterator[Channel]:
        array = self.arrays[part.variable.name]
        attributes = dict(array.attrs)
        texts = {key: str(value) for key, value in attributes.items() if _is_plain(value)}
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
                tags=lasting({key: texts[key] for key in texts if key not in _OURS}),
            )


_NAME = "band_name"
"""The attribute of an array with the name of its band, where that cannot be the array's."""

_OURS = (_NAME, "colour")


def _is_image(name: str, array: Array) -> bool:
    bounds = name.endswith(("_bnds", "_bounds"))
    return len(array.shape) >= 2 and np.dtype(array.dtype).kind in "iuf" and not bounds


def _is_plain(value: object) -> bool:
    return isinstance(value, str | int | float)


def _planes(
    array: Array, numbers: Sequence[int], window: Window
) -> list[NDArray[Any]] | NDArray[Any]:
    """Read bands ``(C, *window)``, by their numbers from 1, as they are stored."""
    rows, columns = window
    places = [number - 1 for number in numbers]
    if len(array.shape) == 3:  # at once, since a chunk may hold several bands
        planes: NDArray[Any] = array.oindex[places, rows, columns]
        return planes
    outer = [np.unravel_index(place, array.shape[:-2]) for place in places]
    return [array[(*map(int, place), rows, columns)] for place in outer]


def _physical(stored: NDArray[Any], channel: Channel) -> NDArray[np.float32]:
    values = stored.astype(np.float32)
    if channel.is_scaled:
        values = (stored.astype(np.float64) * channel.scale + channel.offset).astype(np.float32)
    if channel.nodata is not None:
        values[stored == channel.nodata] = np.nan
    return values


def _nodata(array: Array, attributes: Mapping[str, Any]) -> float | None:
    stated = attributes.get("_FillValue", attributes.get("missing_value"))
    if stated is None and array.metadata.zarr_format == 2:
        stated = array.metadata.fill_value
    return None if stated is None else _number(stated)


def _number(stated: Any) -> float:
    """Return a number, which xarray writes as the eight bytes of a float in base 64."""
    try:
        return float(stated)
    except ValueError:
        return float(np.frombuffer(base64.b64decode(stated), "<f8")[0])
