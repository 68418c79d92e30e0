"""The arrays of an unfinished output, on the disk, and how channels are grouped into arrays."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from srlab.axes import Window
from srlab.io.array.axes import as_stored, slices_of, space_of, stated
from srlab.io.description import Channel, Description
from srlab.io.staging import Staging
from srlab.io.stored import holds, to_stored
from srlab.mistakes import Mistake

UNNAMED = "arr_0"
"""The name that NumPy gives to an array without one."""


@dataclass(frozen=True)
class StagedArray:
    """An array of an unfinished output: some channels of the image, staged as an ``.npy``."""

    name: str
    axes: str
    indices: tuple[int, ...]
    """The indices of its channels in the image, from 0."""

    channels: tuple[Channel, ...]
    staging: Staging

    def write(self, window: Window, image: NDArray[np.float32]) -> None:
        """Write the channels of this array, of a block ``(C, *window)`` of all channels."""
        planes = []
        for index, channel in zip(self.indices, self.channels, strict=True):
            planes.append(self._stored(image[index], channel))
        slices = slices_of(window, self.axes, slice(0, len(planes)))
        self.staging.write(slices, as_stored(np.stack(planes), self.axes)[np.newaxis])

    def read(self, slices: Window) -> NDArray[Any]:
        """Read a part, in the order of `axes`."""
        values: NDArray[Any] = self.staging.read(slices)[0]
        return values

    def _stored(self, plane: NDArray[np.float32], channel: Channel) -> NDArray[Any]:
        return to_stored(
            plane, scale=1.0, offset=0.0, dtype=self.staging.dtype, nodata=channel.nodata
        )


def plain(path: Path, description: Description) -> Description:
    """Describe an image as a plain array holds it: without scale, offset, mask or place.

    Scaled values are stored as physical ones, in float32. Integers keep their nodata value; floats
    have NaN instead.

    Raises a `Mistake` if a mask marks the empty pixels of integers.
    """
    channels = [_plain(path, channel) for channel in description.channels]
    return replace(description, channels=tuple(channels), geometry=None)


def _plain(path: Path, channel: Channel) -> Channel:
    if channel.is_scaled:
        return replace(channel, dtype=np.dtype(np.float32), scale=1.0, offset=0.0, nodata=None)
    if channel.dtype.kind == "f":
        return replace(channel, nodata=None, masked=False)
    nodata = channel.nodata
    if nodata is not None and not holds(channel.dtype, nodata):
        nodata = None
    if channel.masked and nodata is None:
        raise Mistake(
            f"{path} cannot be written: pixels are marked empty by a mask, and an array of "
            f"{channel.dtype} holds none. Write a .tif."
        )
    return replace(channel, nodata=nodata)


def in_one(path: Path, description: Description) -> list[StagedArray]:
    """Return all channels of an image as one array."""
    return [_staged(path, description, UNNAMED, range(len(description.channels)))]


def by_name(path: Path, description: Description) -> list[StagedArray]:
    """Return the channels of an image as arrays, grouped by the names of the channels.

    Channels ``rgb:1`` to ``rgb:3`` become the array ``rgb``. Channels whose names are numbers, or
    not unique, become one array together. Any other channel becomes an array of its own.
    """
    groups = _groups(description.names)
    arrays = []
    for number, (name, indices) in enumerate(groups.items(), start=1):
        file = "pixels"
        if len(groups) > 1:
            file = f"pixels.{number}"
        arrays.append(_staged(path, description, name, indices, file))
    return arrays


def _groups(names: Sequence[str]) -> Mapping[str, Sequence[int]]:
    """Return the indices of the channels of each array, by the name of the array."""
    if len(set(names)) < len(names) or all(name.isdigit() for name in names):
        return {UNNAMED: range(len(names))}
    groups = {name: [index] for index, name in enumerate(names)}
    stems: dict[str, list[str]] = {}
    for name in names:
        stems.setdefault(re.sub(r":\d+$", "", name), []).append(name)
    for stem, members in stems.items():
        numbered = [f"{stem}:{number}" for number in range(1, len(members) + 1)]
        if len(members) > 1 and members == numbered:
            groups[stem] = [groups.pop(member)[0] for member in members]
    return groups


def _staged(
    path: Path,
    description: Description,
    name: str,
    indices: Sequence[int],
    file: str = "pixels",
) -> StagedArray:
    channels = tuple(description.channels[index] for index in indices)
    axes = _axes(path, description, len(channels))
    sizes = {
        axis.name: size for axis, size in zip(description.axes, description.shape, strict=True)
    }
    sizes["c"] = len(channels)
    shape = tuple(sizes[axis] for axis in axes)
    dtype = description.with_channels(channels).dtype
    return StagedArray(
        name=name,
        axes=axes,
        indices=tuple(indices),
        channels=channels,
        staging=Staging(path, 1, shape, dtype, _head(shape, dtype), file),
    )


def _axes(path: Path, description: Description, channels: int) -> str:
    """Return the axes that the name states; otherwise channels first, then those of the image.

    A plane of one channel is ``yx``. Raises a `Mistake` if the name states axes that the image
    lacks.
    """
    space = "".join(axis.name for axis in description.axes)
    axes = stated(path)
    if axes is None:
        return space if space == "yx" and channels == 1 else f"c{space}"
    held = f"c{space}" if channels > 1 else space
    if space_of(axes) != space or (channels > 1 and "c" not in axes):
        raise Mistake(
            f"{path} is to have the axes {axes}, and the image has {held}: end its name in "
            f".{held}{path.suffix}."
        )
    return axes


def _head(shape: tuple[int, ...], dtype: np.dtype[Any]) -> bytes:
    """Return the header of an ``.npy``, as bytes."""
    buffer = io.BytesIO()
    header = {
        "descr": np.lib.format.dtype_to_descr(dtype),
        "fortran_order": False,
        "shape": shape,
    }
    np.lib.format.write_array_header_1_0(buffer, header)
    return buffer.getvalue()
