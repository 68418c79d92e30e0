"""PNG and JPEG out, of images of any size."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import rasterio
import rasterio.shutil
from numpy.typing import DTypeLike, NDArray
from rasterio.enums import ColorInterp

from srlab.files import PathLike, new_file, partial_file, remove_partial
from srlab.io.protocols import Provenance, Window
from srlab.io.raster.gdal import gdal
from srlab.io.raster.reader import RasterReader, RasterWriter
from srlab.mistakes import FailedWrite, Mistake


@dataclass(frozen=True)
class _Format:
    driver: str
    dtypes: tuple[str, ...]
    counts: tuple[int, ...]
    largest: int
    """Pixels along an axis."""
    most: int
    """Pixels in all."""
    options: dict[str, Any]
    last: bytes
    """How a complete file ends."""


_PNG = _Format(
    "PNG",
    dtypes=("uint8", "uint16"),
    counts=(1, 2, 3, 4),
    largest=2**31 - 1,
    most=2**62,
    options={"WRITE_METADATA_AS_TEXT": "YES"},
    last=b"IEND\xaeB`\x82",
)
_JPEG = _Format(
    "JPEG",
    dtypes=("uint8",),
    counts=(1, 3),
    largest=65500,  # libjpeg's limit
    most=2
    ** 28,  # it fits its Huffman tables to the whole picture, and holds 3 bytes a pixel until then
    options={"QUALITY": 95},
    last=b"\xff\xd9",
)
_FORMATS = {".png": _PNG, ".jpg": _JPEG, ".jpeg": _JPEG}


class ImageWriter:
    """A PNG, or a JPEG of quality 95, with the colours, tags and profile of `like`, without its place on the Earth.

    Both formats are written from top to bottom, so the blocks are kept in a GeoTIFF beside `path`, hidden, until
    `close`, and memory stays bounded. The provenance stands in a PNG's text and a JPEG's EXIF data. A PNG keeps
    the nodata value as its transparent colour, a JPEG does not.

    Raises
    ------
    ValueError
        Where the format cannot hold the type, bands, mask, or the scale and offset.
    FileExistsError, FileNotFoundError, IsADirectoryError, PermissionError, OSError
        As `RasterWriter`.
    """

    def __init__(
        self,
        path: PathLike,
        *,
        like: RasterReader,
        scale: tuple[int, int],
        provenance: Provenance,
        dtype: DTypeLike | None = None,
        overwrite: bool = False,
    ) -> None:
        self.path = new_file(path, overwrite=overwrite, source=like.path)
        self._format = _FORMATS[self.path.suffix.lower()]
        self._partial = partial_file(self.path)
        self._provenance = provenance
        _check(
            self._format,
            path,
            like,
            np.dtype(dtype or like.dtype),
            like.geometry.scaled(scale).shape,
        )
        self._blocks = RasterWriter(
            partial_file(self.path, ".tif"),
            like=like,
            scale=scale,
            provenance=provenance,
            dtype=dtype,
            overwrite=True,
        )

    def write(self, window: Window, array: NDArray[np.float32]) -> None:
        """Write ``(C, *window)`` given in physical units, NaN where there is no data; errors as `RasterWriter`."""
        self._blocks.write(window, array)

    def close(self) -> None:
        """Copy the blocks into the format, and give the file its name."""
        try:
            self._blocks.close()
            if not self._blocks.path.exists():
                return
            failure = f"{self.path} cannot be written: is the disk full"
            with gdal(failure, error=FailedWrite, sidecars=False):
                if self._format is _JPEG:
                    self._tag()
                rasterio.shutil.copy(
                    self._blocks.path,
                    self._partial,
                    driver=self._format.driver,
                    **self._format.options,
                )
            with self._partial.open("rb") as file:
                file.seek(-len(self._format.last), os.SEEK_END)
                if file.read() != self._format.last:
                    raise FailedWrite(f"{failure}?")
            os.replace(self._partial, self.path)
        finally:
            self.abort()

    def abort(self) -> None:
        """Remove what was written so far, and leave nothing under the file's name."""
        self._blocks.abort()
        remove_partial(self._blocks.path)
        remove_partial(self._partial)

    def _tag(self) -> None:
        """Put the provenance where GDAL looks for it when it writes EXIF data."""
        # not the JPEG comment: rasterio turns the values of options into capitals
        with rasterio.open(self._blocks.path, "r+") as dataset:
            dataset.update_tags(
                EXIF_Software=self._provenance.software,
                EXIF_ImageDescription=f"{self._provenance.description}, model SHA-256 {self._provenance.model}",
            )


def _check(
    form: _Format, path: PathLike, like: RasterReader, dtype: np.dtype[Any], shape: tuple[int, int]
) -> None:
    """Raise a ``ValueError`` if the format cannot hold the output."""
    count, name = len(like.bands), form.driver
    alpha = like.bands[-1].colour is ColorInterp.alpha
    problem = None
    if dtype.name not in form.dtypes:
        problem = f"values are {dtype}, and {name} holds {' or '.join(form.dtypes)}"
    elif count not in form.counts or (count in (2, 4) and not alpha):
        bands = ", ".join(map(str, form.counts))
        extra = "; the last of 2 or 4 is alpha" if 4 in form.counts else ""
        problem = (
            f"there are {count} bands ({', '.join(like.channels)}), and {name} holds {bands}{extra}"
        )
    elif any((band.scale, band.offset) != (1.0, 0.0) for band in like.bands):
        problem = f"values have a scale and an offset, and {name} holds neither"
    elif like.has_mask:
        problem = f"pixels are marked empty by a mask, and {name} holds none"
    elif max(shape) > form.largest:
        problem = f"there are {shape[0]} x {shape[1]} pixels, and {name} holds {form.largest} along an axis"
    elif shape[0] * shape[1] > form.most:
        problem = f"there are {shape[0]} x {shape[1]} pixels, and for {name} memory stays bounded up to {form.most}"
    if problem:
        raise Mistake(f"{path} cannot be written: {problem}. Write a .tif.")
