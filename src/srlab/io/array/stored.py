"""`StoredArray`, an array in a file of any kind, and the header of an ``.npy``."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from pathlib import Path
from tokenize import TokenError
from typing import IO, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from srlab.axes import Window
from srlab.io.damage import CHECK_ENDING, damage_as_mistake, damaged
from srlab.mistakes import Mistake


class StoredArray(Protocol):
    """An array in a file, of which parts can be read."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Entries along each axis."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the values."""

    def read(self, slices: Window) -> NDArray[Any]:
        """Read a part; axes and type are those of the file."""


@dataclass(frozen=True)
class Layout:
    """The header of an ``.npy`` (NEP 1)."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool
    """Whether values along the first axis are neighbours in the file, and not along the last."""

    length: int
    """Bytes of the header."""

    @property
    def size(self) -> int:
        """Bytes of the header and all values."""
        return self.length + prod(self.shape) * self.dtype.itemsize


@dataclass(frozen=True)
class Mapped:
    """An uncompressed array in a file, as a `StoredArray`."""

    path: Path
    layout: Layout
    start: int = 0
    """Where its header begins in the file."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Entries along each axis."""
        return self.layout.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the values."""
        return self.layout.dtype

    def read(self, slices: Window) -> NDArray[Any]:
        """Read a part by mapping the file into memory; fails if the file has become too short."""
        # A map that stayed open would keep in memory all that was ever read.
        whole = np.memmap(
            self.path,
            self.dtype,
            "r",
            offset=self.start + self.layout.length,
            shape=self.shape,
            order="F" if self.layout.fortran else "C",
        )
        return np.array(whole[slices])


def read_layout(file: IO[bytes], path: object) -> Layout:
    """Read the header of an ``.npy`` from an open file.

    Raises a `Mistake` if it is damaged, or has a version that plain numbers never need.
    """
    start = file.tell()
    failure = f"{path} does not begin as an array"
    with damage_as_mistake(failure, SyntaxError, TokenError, advice=CHECK_ENDING):
        version = np.lib.format.read_magic(file)
        if version == (1, 0):
            shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
        elif version == (2, 0):
            shape, fortran, dtype = np.lib.format.read_array_header_2_0(file)
        else:
            raise Mistake(f"{path} holds no plain numbers: save an array of integers or floats.")
    return Layout(shape, dtype, fortran, file.tell() - start)


def is_number(dtype: np.dtype[Any]) -> bool:
    """Whether values are booleans, integers or floats of up to 64 bits."""
    return dtype.kind in "biuf" and dtype.itemsize <= 8


def check_size(path: object, layout: Layout, held: int) -> None:
    """Raise a `Mistake` if a header claims more than the `held` bytes that the file can hold."""
    if layout.size > held:
        how = f"its header says {layout.size:.3g} bytes, and at most {held:.3g} are there"
        raise damaged(path, how)
