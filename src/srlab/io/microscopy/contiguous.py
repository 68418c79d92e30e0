"""Windows of uncompressed pixels that lie in a file one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


class ContiguousPixels:
    """An array in a file, `offset` bytes from its start, of which slices are read.

    For each plane, only the wanted rows are mapped into memory. So memory holds little beside the
    result.
    """

    def __init__(
        self, path: Path, *, offset: int, shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> None:
        self._path, self._offset, self._shape, self._dtype = path, offset, shape, dtype

    def __getitem__(self, slices: tuple[slice, ...]) -> NDArray[Any]:
        """Read the values at `slices`: a slice of step 1 for each axis."""
        sides = zip(slices, self._shape, strict=True)
        *leading, rows, columns = [range(*part.indices(size)) for part, size in sides]
        values = np.empty([len(indices) for indices in (*leading, rows, columns)], self._dtype)
        planes = values.reshape(-1, len(rows), len(columns))
        for plane, indices in zip(planes, product(*leading), strict=True):
            plane[:] = self._rows(indices, rows)[:, columns.start : columns.stop]
        return values

    def _rows(self, indices: Sequence[int], rows: range) -> NDArray[Any]:
        """Map whole rows of the plane at `indices` of the leading axes."""
        first_value = int(np.ravel_multi_index((*indices, rows.start, 0), self._shape))
        return np.memmap(
            self._path,
            self._dtype,
            "r",
            offset=self._offset + first_value * self._dtype.itemsize,
            shape=(len(rows), self._shape[-1]),
        )
