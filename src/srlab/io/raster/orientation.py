"""EXIF orientation: how a stored picture is transposed and flipped to be upright."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from srlab.axes import Window
from srlab.io.exif import Exif

N = TypeVar("N", int, float)


@dataclass(frozen=True)
class Orientation:
    """The operations that turn a stored image upright: a transposition, then flips.

    They stand for the eight values of EXIF's orientation (EXIF 2.32, tag 0x0112).
    """

    transposed: bool = False
    flip_rows: bool = False
    flip_columns: bool = False

    def upright_shape(self, stored: tuple[N, N]) -> tuple[N, N]:
        """Return ``(H, W)`` of the upright image from that of the stored one, or the reverse."""
        if self.transposed:
            return stored[1], stored[0]
        return stored

    def stored_window(self, window: Window, shape: tuple[int, ...]) -> tuple[slice, slice]:
        """Return the stored rows and columns of a window of the upright image of `shape`."""
        rows, columns = window
        if self.flip_rows:
            rows = slice(shape[0] - rows.stop, shape[0] - rows.start)
        if self.flip_columns:
            columns = slice(shape[1] - columns.stop, shape[1] - columns.start)
        if self.transposed:
            return columns, rows
        return rows, columns

    def upright(self, stored: NDArray[np.float32]) -> NDArray[np.float32]:
        """Turn a stored image ``(C, h, w)`` upright."""
        image = stored
        if self.transposed:
            image = image.swapaxes(1, 2)
        if self.flip_rows:
            image = np.flip(image, 1)
        if self.flip_columns:
            image = np.flip(image, 2)
        return np.ascontiguousarray(image)

    def to_stored(self, shape: tuple[int, int]) -> Affine:
        """Return the affine transform from the upright image of `shape` to the stored one.

        It maps corners of pixels, ``(column, row)``.
        """
        height, width = shape
        affine = Affine.identity()
        if self.transposed:
            affine = Affine(0, 1, 0, 1, 0, 0)
        if self.flip_rows:
            affine = affine @ Affine(1, 0, 0, 0, -1, height)
        if self.flip_columns:
            affine = affine @ Affine(-1, 0, width, 0, 1, 0)
        return affine


UPRIGHT = Orientation()

_ORIENTATIONS = {  # by EXIF's values
    "1": UPRIGHT,
    "2": Orientation(flip_columns=True),
    "3": Orientation(flip_rows=True, flip_columns=True),
    "4": Orientation(flip_rows=True),
    "5": Orientation(transposed=True),
    "6": Orientation(transposed=True, flip_columns=True),
    "7": Orientation(transposed=True, flip_rows=True, flip_columns=True),
    "8": Orientation(transposed=True, flip_rows=True),
}


def stored_orientation(dataset: Any, exif: Exif) -> Orientation:
    """Return the orientation of an open file, by its EXIF data.

    The orientation of a raster with a place on the Earth is ignored, since its geometry already
    describes the stored image. MATLAB's arrays are transposed in HDF5.
    """
    if dataset.driver == "HDF5Image" and "MATLAB_class" in dataset.tags(1):
        return Orientation(transposed=True)
    if dataset.driver == "GTiff" and (dataset.crs or not dataset.transform.is_identity):
        return UPRIGHT
    # For JPEGs that are not on a disk, GDAL gives the orientation.
    value = dataset.tags().get("EXIF_Orientation", exif.orientation)
    return _ORIENTATIONS.get(value, UPRIGHT)
