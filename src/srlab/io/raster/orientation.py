"""EXIF orientation: how to turn what a camera stored so that it stands upright."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from affine import Affine
from numpy.typing import NDArray


@dataclass(frozen=True)
class Orientation:
    """Upright image = stored image, transposed if need be, then flipped (EXIF 2.32, tag 0x0112)."""

    transposed: bool = False
    flip_rows: bool = False
    flip_columns: bool = False

    def upright_shape(self, stored: tuple[int, int]) -> tuple[int, int]:
        """``(H, W)`` upright from that stored; the map is its own inverse."""
        return (stored[1], stored[0]) if self.transposed else stored

    def stored_window(
        self, window: tuple[slice, slice], shape: tuple[int, int]
    ) -> tuple[slice, slice]:
        """Return the rows and columns of the stored image that hold `window` of the upright one of `shape`."""
        rows, columns = window
        if self.flip_rows:
            rows = slice(shape[0] - rows.stop, shape[0] - rows.start)
        if self.flip_columns:
            columns = slice(shape[1] - columns.stop, shape[1] - columns.start)
        return (columns, rows) if self.transposed else (rows, columns)

    def upright(self, stored: NDArray[np.float32]) -> NDArray[np.float32]:
        """Turn ``(C, h, w)`` as stored upright."""
        image = stored.swapaxes(1, 2) if self.transposed else stored
        flipped = tuple(
            axis for axis, flip in ((1, self.flip_rows), (2, self.flip_columns)) if flip
        )
        return np.ascontiguousarray(np.flip(image, flipped))

    def to_stored(self, shape: tuple[int, int]) -> Affine:
        """Return the affine from upright ``(column, row)`` corners, in an image of `shape`, to stored ones."""
        height, width = shape
        flip = Affine(
            -1 if self.flip_columns else 1, 0, width if self.flip_columns else 0,
            0, -1 if self.flip_rows else 1, height if self.flip_rows else 0,
        )  # fmt: skip
        return Affine(0, 1, 0, 1, 0, 0) @ flip if self.transposed else flip


UPRIGHT = Orientation()

EXIF_ORIENTATIONS = {
    "1": UPRIGHT,
    "2": Orientation(flip_columns=True),
    "3": Orientation(flip_rows=True, flip_columns=True),
    "4": Orientation(flip_rows=True),
    "5": Orientation(transposed=True),
    "6": Orientation(transposed=True, flip_columns=True),
    "7": Orientation(transposed=True, flip_rows=True, flip_columns=True),
    "8": Orientation(transposed=True, flip_rows=True),
}
