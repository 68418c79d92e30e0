"""TIFFs by what they hold: a microscope's stack or a raster."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tifffile import TiffFile

from srlab.files import PathLike
from srlab.io.damage import DAMAGE
from srlab.io.protocols import Reader


def open_tiff(path: PathLike, *, bands: Sequence[int | str] | None = None) -> Reader:
    """Open what OME or ImageJ wrote as a stack, and any other TIFF by GDAL."""
    # Each of the two imports a large library.
    if _is_stack(path):
        from srlab.io.microscopy.reader import StackReader

        return StackReader(path, bands=bands)
    from srlab.io.raster.opening import open_raster

    return open_raster(path, bands=bands)


def _is_stack(path: PathLike) -> bool:
    """Whether the first page says so; what is damaged is left to the reader to tell."""
    try:
        with _silent(), TiffFile(os.path.expanduser(path)) as file:
            return bool(file.is_ome or file.is_imagej)
    except DAMAGE:
        return False


@contextmanager
def _silent() -> Iterator[None]:
    """Keep what tifffile says of tags that are GDAL's from a user, who reads a raster."""
    logger = logging.getLogger("tifffile")
    logger.addFilter(_nothing)
    try:
        yield
    finally:
        logger.removeFilter(_nothing)


def _nothing(record: logging.LogRecord) -> bool:
    return False
