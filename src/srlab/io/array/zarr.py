"""Plain arrays in a Zarr store, whose name may state their axes, as in ``x.zyx.zarr``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from srlab.axes import Window
from srlab.files import PathLike, existing_path, replaced_folder
from srlab.io.array.reader import ArrayFileReader
from srlab.io.array.staged import UNNAMED, StagedArray, by_name
from srlab.io.array.stored import StoredArray
from srlab.io.array.writer import ArrayFileWriter
from srlab.io.blosc import check_blosc
from srlab.io.damage import CHECK_STORE, check_block_size, damage_as_mistake
from srlab.io.description import Description
from srlab.io.protocols import Provenance
from srlab.io.raster.zarr.place import DIMENSIONS
from srlab.io.windows import chunk_windows
from srlab.io.zarr_arrays import arrays_by_name, compressor

SIDE = 512
"""The longest side of a chunk of a plane, in pixels."""

VOLUME_SIDE = 64
"""The longest side of a chunk of a volume."""


def open_arrays(path: PathLike, *, bands: Sequence[int | str] | None = None) -> ArrayFileReader:
    """Open the arrays of a Zarr store as an image; see `ArrayFileReader` for `bands`."""
    return ArrayFileReader(existing_path(path), arrays_of, bands=bands)


class ZarrArray:
    """An array of a Zarr store of format 2 or 3, as a `StoredArray`."""

    def __init__(self, array: Any) -> None:
        self._array = array
        self.shape: tuple[int, ...] = tuple(array.shape)
        self.dtype: np.dtype[Any] = np.dtype(array.dtype)

    def read(self, slices: Window) -> NDArray[Any]:
        """Read a part; zarr decodes the chunks that the part touches."""
        return np.asarray(self._array[slices])


def arrays_of(path: Path) -> dict[str, StoredArray]:
    """Return the arrays of a store by their names; see `arrays_by_name`.

    Raises a `Mistake` if the store is damaged, or a chunk is too large to be read.
    """
    check_blosc()
    with damage_as_mistake(f"{path} is no Zarr store that can be read", advice=CHECK_STORE):
        arrays: dict[str, StoredArray] = {}
        for name, opened in arrays_by_name(zarr.open(path, mode="r")).items():
            array = ZarrArray(opened)
            itemsize = array.dtype.itemsize
            check_block_size(path, opened.chunks, itemsize, "store it in smaller chunks")
            arrays[name] = array
    return arrays


def create_arrays(
    path: Path, description: Description, *, provenance: Provenance, compression: str = "zstd"
) -> ArrayFileWriter:
    """Return a writer of plain arrays in a store of Zarr format 2.

    Channels without names make one array, which is the store itself. See `by_name` for others.
    """
    encode = partial(_encode, compression=compression)
    return ArrayFileWriter(path, description, provenance=provenance, arrange=by_name, encode=encode)


def _encode(
    path: Path, arrays: Sequence[StagedArray], tags: Mapping[str, str], *, compression: str
) -> None:
    with replaced_folder(path, suffix=".zarr") as unfinished:
        if [array.name for array in arrays] != [UNNAMED]:
            zarr.open_group(unfinished, mode="w", zarr_format=2).attrs.update(tags)
        for array in arrays:
            name = None if array.name == UNNAMED else array.name
            encoded = zarr.create_array(
                unfinished,
                name=name,
                shape=array.staging.shape,
                chunks=_chunk(array.axes, array.staging.shape),
                dtype=array.staging.dtype,
                zarr_format=2,
                fill_value=None,
                compressors=compressor(compression),
                attributes={**tags, DIMENSIONS: list(array.axes)},
            )
            for window in chunk_windows(encoded.shape, encoded.chunks):
                encoded[window] = array.read(window)


def _chunk(axes: str, shape: Sequence[int]) -> tuple[int, ...]:
    """Return the shape of a chunk: one time, and one channel unless channels are the last axis."""
    sides = {"t": 1, "c": 1, "z": VOLUME_SIDE, "y": SIDE, "x": SIDE}
    if "z" in axes:
        sides |= {"y": VOLUME_SIDE, "x": VOLUME_SIDE}
    if axes.endswith("c"):
        sides["c"] = shape[-1]
    return tuple(min(sides[axis], size) for axis, size in zip(axes, shape, strict=True))
