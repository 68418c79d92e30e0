"""Pixels that lie in a file one after the other, as they are."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


class ContiguousPixels:
    """An array in a file, from `offset` bytes on, of which slices are read.

    Of each index of the leading axes, the pages of the disk are mapped that hold the last two axes
    of a slice. So no more than that is in memory beside the result.
    """

    def __init__(
        self, path: Path, *, offset: int, shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> None:
        self._path, self._offset, self._shape, self._dtype = path, offset, shape, dtype

    def __getitem__(self, place: tuple[slice, ...]) -> NDArray[Any]:
        """Read a slice of each axis, of step 1."""
        *leading, rows, columns = (
            range(*part.indices(size)) for part, size in zip(place, self._shape, strict=True)
        )
        found = np.empty([*map(len, (*leading, rows, columns))], self._dtype)
        width = self._shape[-1]
        for index in product(*(range(len(each)) for each in leading)):
            whole = [each[at] for each, at in zip(leading, index, strict=True)]
            first = int(np.ravel_multi_index((*whole, rows.start, 0), self._shape))
            lines = np.memmap(
                self._path, self._dtype, "r",
                offset=self._offset + first * self._dtype.itemsize, shape=(len(rows), width),
            )  # fmt: skip
            found[index] = lines[:, columns.start : columns.stop]
        return found
