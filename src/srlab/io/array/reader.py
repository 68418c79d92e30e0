"""The reader of files that hold nothing but numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from srlab.axes import Window
from srlab.io.array.axes import (
    axes_of,
    channels_first,
    channels_in,
    fits,
    slices_of,
    space_of,
)
from srlab.io.array.stored import StoredArray, is_number
from srlab.io.damage import damage_as_mistake, empty, unreadable
from srlab.io.description import Axis, Channel, Description
from srlab.io.handle import ProcessHandle
from srlab.io.stored import without_infinities
from srlab.io.variables import Part, Variable, choose
from srlab.io.windows import check_window
from srlab.mistakes import Mistake

ArraysOf = Callable[[Path], Mapping[str, StoredArray]]
"""A function that opens a file, and returns its arrays by their names."""


class ArrayFileReader:
    """A reader of an ``.npy``, of arrays in an ``.npz``, or of plain arrays in a Zarr store.

    The axes are those that the name of the file states: ``x.zyx.npy`` is a volume ``(D, H, W)``,
    and ``x.yxc.npy`` is ``(H, W, C)``. Otherwise two axes are ``(H, W)``, and more begin with the
    channels: ``(C, H, W)``, ``(C, D, H, W)`` or ``(C, T, D, H, W)``. See `srlab.io.array.axes`.

    `bands` chooses arrays by name, such as ``[red, nir]``, or a channel of an array, such as
    ``rgb:2``. Numbers from 1 choose channels if there is only one array. All chosen arrays must
    have the same size.

    Values are read as stored; booleans become 0 and 1. Values that are not finite are no data.
    Memory stays small, since uncompressed arrays are mapped and compressed ones are indexed.

    Raises a `Mistake` if the file holds no array of rows and columns, or only Python objects or
    complex numbers. Also raises one if a header claims more bytes than there are.
    """

    def __init__(
        self, path: Path, arrays_of: ArraysOf, *, bands: Sequence[int | str] | None = None
    ) -> None:
        self.path = path
        self._arrays_of, self._bands = arrays_of, bands and list(bands)
        self._handle = ProcessHandle(partial(arrays_of, path))
        arrays = arrays_of(path)
        images = {name: array for name, array in arrays.items() if _is_image(path, array)}
        if not images:
            images = dict(arrays)  # the checks below say what is wrong with them
        self._axes = {name: axes_of(path, array.shape) for name, array in images.items()}
        self._parts = choose(list(self._variables(images)), bands, path)
        self.description = self._described(images)

    def __str__(self) -> str:
        return str(self.path)

    def __reduce__(self) -> tuple[Any, ...]:
        again = partial(ArrayFileReader, arrays_of=self._arrays_of, bands=self._bands)
        return again, (self.path,)

    def read(self, window: Window) -> NDArray[np.float32]:
        """Read ``(C, *window)`` as stored, NaN where a value is not finite.

        Raises a `Mistake` if the window is not inside the image, or the file is damaged there.
        """
        check_window(window, self.description.shape)
        with damage_as_mistake(unreadable(self.path, window)):
            arrays = self._handle.file()
            parts = [self._read(arrays[part.variable.name], part, window) for part in self._parts]
        with np.errstate(over="ignore"):  # values too large for float32 become infinite
            return without_infinities(np.concatenate(parts).astype(np.float32, order="C"))

    def close(self) -> None:
        """Release the file."""
        self._handle.close()

    def _read(self, array: StoredArray, part: Part, window: Window) -> NDArray[Any]:
        axes = self._axes[part.variable.name]
        # One slice holds all wanted channels, from the first of them to the last.
        first, stop = min(part.numbers) - 1, max(part.numbers)
        values = array.read(slices_of(window, axes, slice(first, stop)))
        wanted = [number - 1 - first for number in part.numbers]
        return channels_first(values, axes)[wanted]

    def _variables(self, images: Mapping[str, StoredArray]) -> Iterator[Variable]:
        for name, array in images.items():
            yield Variable(name, channels_in(array.shape, self._axes[name]))

    def _described(self, images: Mapping[str, StoredArray]) -> Description:
        spaces = {self._space(images, part.variable.name) for part in self._parts}
        if len(spaces) > 1:
            names = ", ".join(part.variable.name for part in self._parts)
            raise Mistake(
                f"{self.path} has {names} of different sizes, and the bands of an image are of "
                "one: choose others."
            )
        ((axes, shape),) = spaces
        channels: list[Channel] = []
        for part in self._parts:
            channels.extend(self._channels(images, part))
        return Description(shape, tuple(map(Axis, axes)), tuple(channels))

    def _space(self, images: Mapping[str, StoredArray], name: str) -> tuple[str, tuple[int, ...]]:
        """Return the axes of an array without its channels, and the entries along each."""
        array, axes = images[name], self._axes[name]
        _check_numbers(self.path, array)
        sizes = dict(zip(axes, array.shape, strict=True))
        return space_of(axes), tuple(sizes[axis] for axis in space_of(axes))

    def _channels(self, images: Mapping[str, StoredArray], part: Part) -> Iterator[Channel]:
        dtype = images[part.variable.name].dtype.newbyteorder("=")
        if dtype.kind == "b":
            dtype = np.dtype(np.uint8)
        for number in part.numbers:
            name = part.variable.band_name(number) if part.variable.name else str(number)
            yield Channel(name, dtype=dtype)


def _is_image(path: Path, array: StoredArray) -> bool:
    return is_number(array.dtype) and fits(path, array.shape)


def _check_numbers(path: Path, array: StoredArray) -> None:
    if not is_number(array.dtype):
        raise Mistake(
            f"{path} holds values of the type {array.dtype}: save booleans, integers or floats of "
            "at most 64 bits."
        )
    if min(array.shape) < 1:
        raise empty(path, array.shape)
