"""Rasters brought onto the grid of another image, if they are on a different one."""

from __future__ import annotations

import logging
from typing import TypeGuard

from srlab.io.agreement import PIXEL_SIZE_RATIO
from srlab.io.description import Description, Geometry
from srlab.io.protocols import Reader
from srlab.io.raster.geometry import RasterGeometry
from srlab.io.raster.grids import GridPair
from srlab.io.raster.warped import WarpedReader
from srlab.mistakes import Mistake

log = logging.getLogger(__name__)


def on_grid(reader: Reader, description: Description) -> Reader:
    """Return a reader of the raster on the grid of a description, resampled if need be.

    The reader itself is returned if the grids coincide, or if one of them has no place.

    Raises a `Mistake` if the pixels of the two have different sizes.
    """
    own, wanted = reader.description.geometry, description.geometry
    if not _has_place(own) or not _has_place(wanted):
        return reader
    grids = GridPair(own, wanted)
    if not all(1 / PIXEL_SIZE_RATIO <= ratio <= PIXEL_SIZE_RATIO for ratio in grids.stretch):
        raise Mistake(
            f"the pixels of {reader} are {_size(own)} and {_size(wanted)} are wanted: name the "
            "file and bands of a finer grid, or set guide_ratio to how much finer they are."
        )
    if grids.offset == (0, 0) and own.shape == wanted.shape:
        return reader
    log.info("%s is resampled: its pixels do not coincide with those of the image", reader)
    return WarpedReader(reader, wanted)


def _has_place(geometry: Geometry | None) -> TypeGuard[RasterGeometry]:
    if not isinstance(geometry, RasterGeometry):
        return False
    return bool(geometry.crs) and geometry.transform is not None


def _size(geometry: RasterGeometry) -> str:
    """Return the size of a pixel in words."""
    size = geometry.pixel_size
    return "of unknown size" if size is None else f"{size[1]:.4g} m"
