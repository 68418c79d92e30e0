"""Arrays in files that hold nothing but numbers."""

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
    place_of,
    space_of,
)
from srlab.io.array.stored import StoredArray, is_number
from srlab.io.damage import damage_told
from srlab.io.description import Axis, Channel, Description
from srlab.io.handle import ProcessHandle
from srlab.io.stored import without_infinities
from srlab.io.variables import Part, Variable, choose
from srlab.io.windows import check_window
from srlab.mistakes import Mistake

ArraysOf = Callable[[Path], Mapping[str, StoredArray]]
"""A function that opens a file and returns its arrays by their names."""


class ArrayFileReader:
    """An ``.npy``, arrays of an ``.npz``, or plain arrays of a Zarr store, a window at a time.

    Nothing in such a file tells what its axes are, so they go by their number. Two are ``(H, W)``.
    More are the channels, then space: ``(C, H, W)``, ``(C, D, H, W)`` and ``(C, T, D, H, W)``. A
    name may say it otherwise, in letters before its ending. ``x.zyx.npy`` is a volume
    ``(D, H, W)``, and ``x.yxc.npy`` is ``(H, W, C)`` (`srlab.io.array.axes.ARRANGEMENTS`).

    `bands` are numbers from 1 of the only array, or names of arrays, such as ``[red, nir]``. A band
    of one is ``rgb:2``. Arrays of one image are of one size. Values are as they are stored, and
    booleans 0 and 1. What is not finite is no data.

    An ``.npy``, or an ``.npz`` that is not compressed, is mapped into memory at each read. A
    compressed array is read by an index of its places that is built as it is read.

    Raises a `Mistake` if nothing in the file is an array of rows and columns. Python objects,
    complex numbers and a header that claims more than there is are one, too.
    """

    def __init__(
        self, path: Path, arrays_of: ArraysOf, *, bands: Sequence[int | str] | None = None
    ) -> None:
        self.path = path
        self._arrays_of, self._bands = arrays_of, bands and list(bands)
        self._handle = ProcessHandle(partial(arrays_of, path))
        arrays = arrays_of(path)
        images = {name: each for name, each in arrays.items() if _is_image(path, each)}
        images = images or dict(arrays)  # of which the first is told to be none
        self._axes = {name: axes_of(path, each.shape) for name, each in images.items()}
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
        with damage_told(f"{self.path} cannot be read at {window}: truncated or damaged"):
            arrays = self._handle.file()
            parts = [self._read(arrays[part.variable.name], part, window) for part in self._parts]
        with np.errstate(over="ignore"):  # what overflows a float32 is infinite there
            return without_infinities(np.concatenate(parts).astype(np.float32, order="C"))

    def close(self) -> None:
        """Release the file."""
        self._handle.close()

    def _read(self, array: StoredArray, part: Part, window: Window) -> NDArray[Any]:
        axes = self._axes[part.variable.name]
        first, last = min(part.numbers) - 1, max(part.numbers)
        values = array.read(place_of(window, axes, slice(first, last)))
        return channels_first(values, axes)[[number - 1 - first for number in part.numbers]]

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
        channels = [channel for part in self._parts for channel in self._channels(images, part)]
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
        raise Mistake(f"{path} is empty: its shape is {array.shape}.")
