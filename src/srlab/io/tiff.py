"""TIFF files: a microscope's stack or a raster, which only the file itself tells."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tifffile import TiffFile

from srlab.files import PathLike, file_and_image
from srlab.io.damage import DAMAGE
from srlab.io.protocols import Reader
from srlab.mistakes import Mistake


def open_tiff(path: PathLike, *, bands: Sequence[int | str] | None = None) -> Reader:
    """Open a TIFF of OME or ImageJ as a stack, and any other TIFF with GDAL."""
    # Imported where they are used, since each reader imports a large library.
    file, image = file_and_image(path)
    if _is_stack(file):
        from srlab.io.microscopy.reader import StackReader

        return StackReader(path, bands=bands)
    if image:
        raise Mistake(
            f"{file} is no stack of OME or ImageJ, so GDAL reads it: leave #{image} out, or name a "
            f"page as GDAL does, such as GTIFF_DIR:2:{file}."
        )
    from srlab.io.raster.opening import open_raster

    return open_raster(path, bands=bands)


def _is_stack(path: PathLike) -> bool:
    """Whether the first page has OME's or ImageJ's description; False if it is damaged."""
    try:
        with _silent(), TiffFile(os.path.expanduser(path)) as file:
            return bool(file.is_ome or file.is_imagej)
    except DAMAGE:
        return False


@contextmanager
def _silent() -> Iterator[None]:
    """Drop the warnings of tifffile about GDAL's tags, which do not matter to the user."""
    logger = logging.getLogger("tifffile")
    logger.addFilter(_reject)
    try:
        yield
    finally:
        logger.removeFilter(_reject)


def _reject(record: logging.LogRecord) -> bool:
    return False
