"""Rasters brought to the grid that another one's pixels make."""

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
    """Return a raster as it looks on the grid of a description with pixels of the same size.

    It is the raster itself where the grids coincide, or where one of them lies nowhere.

    Raises a `Mistake` if its pixels are of another size.
    """
    own, wanted = reader.description.geometry, description.geometry
    if not _lies_somewhere(own) or not _lies_somewhere(wanted):
        return reader
    grids = GridPair(own, wanted)
    if not all(1 / PIXEL_SIZE_RATIO <= each <= PIXEL_SIZE_RATIO for each in grids.stretch):
        across, wanted_across = (_across(each) for each in (own, wanted))
        raise Mistake(
            f"the pixels of {reader} are {across} and {wanted_across} are wanted: name the file "
            "and bands of a finer grid, or set guide_ratio to how much finer they are."
        )
    if grids.offset == (0, 0) and own.shape == wanted.shape:
        return reader
    log.info("%s is resampled: its pixels do not coincide with those of the image", reader)
    return WarpedReader(reader, wanted)


def _lies_somewhere(geometry: Geometry | None) -> TypeGuard[RasterGeometry]:
    if not isinstance(geometry, RasterGeometry):
        return False
    return bool(geometry.crs) and geometry.transform is not None


def _across(geometry: RasterGeometry) -> str:
    size = geometry.pixel_size
    return "of unknown size" if size is None else f"{size[1]:.4g} m"
