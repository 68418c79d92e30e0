"""The reader of a DICOM series as a volume."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, partial
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from srlab.axes import Window, window_shape
from srlab.files import PathLike, existing_path, file_and_image, with_image
from srlab.io.description import Axis, Channel, Description
from srlab.io.selection import chosen
from srlab.io.volume.dicom.headers import Header
from srlab.io.volume.dicom.pixels import pixels_of
from srlab.io.volume.dicom.series import geometry_of, series_of
from srlab.io.windows import check_window

CACHE_SIZE = 16 * 2**20
"""Bytes of decoded slices that a reader keeps; those used last."""


class DicomReader:
    """A reader of a DICOM series as a volume: stored values · slope + intercept of each slice.

    `path` is a folder that holds one series, or any file of a series whose other files are in the
    same folder. Of a folder of several, it chooses one by its first file or its number, such as
    ``scans#2``. An enhanced file may hold several slices, or all.

    Axes are z, y and x: slices along their normal, rows and columns. Only the slices of a window
    are decoded. Of headers, only the fields that place and scale voxels are read, never a name.

    Raises a `Mistake` if there is no such file, or the slices do not make one volume of grey
    values.
    """

    def __init__(self, path: PathLike, *, bands: Sequence[int | str] | None = None) -> None:
        name, wanted = file_and_image(path)
        self.path = existing_path(name)
        self._series, self._slices = series_of(self.path, wanted)
        whole = _described(self._slices)
        self._indices = chosen(whole.names, bands, path)
        self._bands = bands and list(bands)
        self.description = whole.subset(self._indices)
        slice_size = prod(self._slices[0].shape) * self._slices[0].stored.dtype.itemsize
        self._decoded = lru_cache(maxsize=max(1, CACHE_SIZE // slice_size))(pixels_of)

    def __str__(self) -> str:
        return with_image(self.path, self._series)

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(DicomReader, bands=self._bands), (str(self),)

    def read(self, window: Window) -> NDArray[np.float32]:
        """Read ``(C, *window)`` in physical units.

        Raises a `Mistake` if the window is not inside the image, or a slice of it is damaged.
        """
        check_window(window, self.description.shape)
        z, y, x = window
        values = np.empty(window_shape(window), np.float32)
        for plane, header in zip(values, self._slices[z], strict=True):
            part = self._decoded(header)[y, x].astype(np.float64)
            plane[:] = part * header.slope + header.intercept
        return np.stack([values] * len(self._indices))

    def close(self) -> None:
        """Release the decoded slices."""
        self._decoded.cache_clear()


def _described(slices: Sequence[Header]) -> Description:
    first = slices[0]
    channel = Channel("1", dtype=first.stored.dtype, scale=first.slope, offset=first.intercept)
    if len({(header.slope, header.intercept) for header in slices}) > 1:
        # Slices differ, so no stored type with one slope can hold all values.
        channel = Channel("1", dtype=np.dtype(np.float32))
    geometry = geometry_of(slices)
    sizes = reversed(geometry.spacing)
    axes = tuple(Axis(name, size, "mm") for name, size in zip("zyx", sizes, strict=True))
    return Description((len(slices), *first.shape), axes, (channel,), geometry)
