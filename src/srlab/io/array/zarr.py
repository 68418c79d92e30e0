"""The plain arrays of a Zarr store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import product
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
from srlab.io.damage import check_block_size, damage_told
from srlab.io.description import Description
from srlab.io.protocols import Provenance
from srlab.io.raster.zarr.place import DIMENSIONS
from srlab.io.raster.zarr.writer import compressor

SIDE = 512
"""The longest side of a chunk of a plane, in pixels."""

VOLUME_SIDE = 64
"""The longest side of a chunk of a volume."""


def open_arrays(path: PathLike, *, bands: Sequence[int | str] | None = None) -> ArrayFileReader:
    """Open plain arrays of a Zarr store; `bands` are numbers of the only one, or names."""
    return ArrayFileReader(existing_path(path), arrays_of, bands=bands)


class ZarrArray:
    """An array of a store of format 2 or 3."""

    def __init__(self, array: Any) -> None:
        self._array = array
        self.shape: tuple[int, ...] = tuple(array.shape)
        self.dtype: np.dtype[Any] = np.dtype(array.dtype)

    def read(self, place: Window) -> NDArray[Any]:
        """Read a part; its chunks are decoded one by one."""
        return np.asarray(self._array[place])


def arrays_of(path: Path) -> dict[str, StoredArray]:
    """Return the arrays of a store by their names in it, or the only one without a name."""
    check_blosc()
    with damage_told(f"{path} is no Zarr store that can be read"):
        root = zarr.open(path, mode="r")
        members: dict[str, Any] = {"": root}
        if isinstance(root, zarr.Group):
            listed = sorted(root.members(max_depth=None))
            members = {name: each for name, each in listed if hasattr(each, "shape")}
        found: dict[str, StoredArray] = {}
        for name, each in members.items():
            array = ZarrArray(each)
            check_block_size(path, each.chunks, array.dtype.itemsize, "store it in smaller chunks")
            found[name] = array
    return found


def create_arrays(
    path: Path, description: Description, *, provenance: Provenance, compression: str = "zstd"
) -> ArrayFileWriter:
    """Return the writer of plain arrays in a store of format 2: of one array, or of several."""
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
            made = zarr.create_array(
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
            for place in _places(made):
                made[place] = array.read(place)


def _chunk(axes: str, shape: Sequence[int]) -> tuple[int, ...]:
    """Return the sides of a chunk: of one channel, unless the channels of a pixel lie together."""
    sides = {"t": 1, "c": 1, "z": VOLUME_SIDE, "y": SIDE, "x": SIDE}
    if "z" in axes:
        sides |= {"y": VOLUME_SIDE, "x": VOLUME_SIDE}
    if axes.endswith("c"):
        sides["c"] = shape[-1]
    return tuple(min(sides[axis], size) for axis, size in zip(axes, shape, strict=True))


def _places(array: Any) -> Iterator[Window]:
    """Yield the place of each chunk."""
    spans = []
    for size, step in zip(array.shape, array.chunks, strict=True):
        spans.append([slice(start, min(start + step, size)) for start in range(0, size, step)])
    yield from product(*spans)
