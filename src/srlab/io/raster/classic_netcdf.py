"""A check of the headers of netCDF's classic formats, since its library trusts their numbers."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import BinaryIO

from srlab.io.damage import damaged

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 8, 7: 1, 8: 2, 9: 4, 10: 8, 11: 8}
"""Bytes of a value of each type."""

_TYPES_OF_LISTS = (0, 10, 11, 12)
"""Tags of lists: an absent one, and those of dimensions, variables and attributes."""


def check_classic_header(path: Path) -> None:
    """Raise a `Mistake` if the header of a classic netCDF file claims more than the file holds.

    Files of other formats pass. The library allocates as much memory as the header claims, and
    crashes if it gets none. It reads the missing values of a truncated file as zeros.

    The format is specified in "netCDF Classic and 64-bit Offset Format" and "CDF-5".
    """
    with path.open("rb") as file:
        magic = file.read(4)
        if magic[:3] != b"CDF" or magic[3:] not in (b"\x01", b"\x02", b"\x05"):
            return
        try:
            _Header(file, path.stat().st_size, version=magic[3]).check()
        except (struct.error, KeyError, IndexError) as error:
            raise damaged(path, "its header claims values that it does not hold") from error


@dataclass(frozen=True)
class _Variable:
    begin: int
    """Where its values begin in the file."""

    size: int
    """Bytes of the whole variable, or of one record of it."""

    has_records: bool
    """Whether its first dimension is unlimited, so that it is stored in records."""


class _Header:
    """A parser of a header; it raises a `struct.error` or another error for a damaged one."""

    def __init__(self, file: BinaryIO, size: int, *, version: int) -> None:
        self._file, self._size = file, size
        self._number = ">q" if version == 5 else ">i"
        self._offset = ">i" if version == 1 else ">q"

    def check(self) -> None:
        """Go through dimensions, attributes and variables, and check where the values end."""
        records = self._take(self._number)  # -1 if the file was written as a stream
        sizes = [self._dimension() for _ in range(self._count_of_list())]
        self._skip_attributes()
        variables = [self._variable(sizes) for _ in range(self._count_of_list())]
        of_records = [variable for variable in variables if variable.has_records]
        step = sum(_padded(variable.size) for variable in of_records)
        if len(of_records) == 1:
            step = of_records[0].size
        for variable in variables:
            end = variable.begin + variable.size
            if variable.has_records:
                end += step * max(records - 1, 0) - variable.size * (records == 0)
            if not 0 <= end <= self._size:
                raise struct.error(f"values end at {end}")

    def _dimension(self) -> int:
        self._skip_name()
        return self._take(self._number)

    def _variable(self, sizes: Sequence[int]) -> _Variable:
        self._skip_name()
        count = self._count(struct.calcsize(self._number))
        own = [sizes[self._take(self._number)] for _ in range(count)]
        self._skip_attributes()
        bytes_of_value = _SIZES[self._take(">i")]
        self._take(self._number)  # its size, which may be too large for the number
        has_records = bool(own) and own[0] == 0
        within_record = own[1:] if has_records else own
        size = bytes_of_value * prod(within_record)
        return _Variable(self._take(self._offset), size, has_records)

    def _take(self, code: str) -> int:
        """Read the next number, by its code for `struct`."""
        number: int = struct.unpack(code, self._file.read(struct.calcsize(code)))[0]
        return number

    def _skip(self, size: int) -> None:
        self._count_fits(size, 1)
        self._file.seek(size, 1)

    def _count(self, least: int) -> int:
        """Read a number of entries, each of at least `least` bytes."""
        return self._count_fits(self._take(self._number), least)

    def _count_fits(self, count: int, least: int) -> int:
        if not 0 <= count * least <= self._size - self._file.tell():
            raise struct.error(f"{count} entries do not fit into the file")
        return count

    def _count_of_list(self) -> int:
        tag = self._take(">i")
        count = self._count(8)
        if tag not in _TYPES_OF_LISTS or (tag == 0 and count):
            raise KeyError(tag)
        return count

    def _skip_name(self) -> None:
        self._skip(_padded(self._count(1)))

    def _skip_attributes(self) -> None:
        for _ in range(self._count_of_list()):
            self._skip_name()
            size = _SIZES[self._take(">i")]
            self._skip(_padded(size * self._count(size)))


def _padded(size: int) -> int:
    return -(-size // 4) * 4
