"""The positions of one raster's pixels on the grid of another one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import ceil, floor
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.warp import transform as reproject

from srlab.axes import Window
from srlab.io.description import Geometry
from srlab.io.raster.geometry import RasterGeometry
from srlab.mistakes import Mistake

ALIGNED = 1e-3
"""The largest difference, in pixels, between grids that count as coinciding."""

PROBES = 33
"""The number of positions along each axis of a grid that are sampled to find its extent."""

Points = NDArray[np.float64]
"""Positions ``(2, N)``, in pixels: rows, then columns."""


@dataclass(frozen=True)
class GridPair:
    """Two grids, `source` and `target`, and the maps between their pixels.

    Positions are rows and columns ``(2, N)``; whole numbers are corners of pixels. A position that
    the CRS of the other grid cannot express becomes infinite.
    """

    source: RasterGeometry
    target: RasterGeometry

    def to_source(self, places: Points) -> Points:
        """Map positions in the target to positions in the source."""
        return _looked_up(places, self.target, self.source)

    def to_target(self, places: Points) -> Points:
        """Map positions in the source to positions in the target."""
        return _looked_up(places, self.source, self.target)

    @cached_property
    def offset(self) -> tuple[int, int] | None:
        """The source's pixel at the target's first pixel; None unless the grids coincide."""
        if self.source.crs != self.target.crs:
            return None
        rows, columns = self.target.shape
        corners = np.array([[0.0, 0, rows, rows], [0, columns, 0, columns]])
        moves = self.to_source(corners) - corners
        first = np.rint(moves[:, :1])
        if not np.abs(moves - first).max() <= ALIGNED:
            return None
        return int(first[0, 0]), int(first[1, 0])

    @cached_property
    def shared(self) -> Window | None:
        """The whole pixels of the source within the target; None if there are none.

        They are a window. If the target is rotated, the window reaches beyond it at the corners.
        """
        sides = [np.linspace(0, size, PROBES) for size in self.target.shape]
        positions = np.stack(np.meshgrid(*sides, indexing="ij")).reshape(2, -1)
        in_source = self.to_source(positions)
        in_source = in_source[:, np.isfinite(in_source).all(axis=0)]
        window = []
        for along, size in zip(in_source, self.source.shape, strict=True):
            if not along.size:
                return None
            first = max(ceil(along.min() - ALIGNED), 0)
            last = min(floor(along.max() + ALIGNED), size)
            if first >= last:
                return None
            window.append(slice(first, last))
        return tuple(window)

    @cached_property
    def stretch(self) -> tuple[float, float]:
        """The size of a target pixel in pixels of the source, along its rows and its columns.

        It is measured at the centre of the source. Both are 1 if the target cannot express it.
        """
        middle = np.array(self.source.shape)[:, None] / 2
        centre_and_neighbours = middle + np.array([[0, 1, 0], [0, 0, 1]])
        centre, below, beside = self.to_target(centre_and_neighbours).T
        steps = np.stack([below - centre, beside - centre], axis=1)
        if not np.isfinite(steps).all() or not np.linalg.det(steps):
            return 1.0, 1.0
        down, across = np.linalg.norm(np.linalg.inv(steps), axis=1)
        return float(down), float(across)


def georeferenced(geometry: Geometry | None, name: str) -> RasterGeometry:
    """Return `geometry` if it has a CRS and an affine transform.

    Raises a `Mistake` for any other geometry, such as control points alone.
    """
    if isinstance(geometry, RasterGeometry) and geometry.crs and geometry.transform is not None:
        return geometry
    advice = "give it these, such as by gdal_translate -a_srs and -a_ullr"
    if isinstance(geometry, RasterGeometry) and (geometry.gcps or geometry.rpcs):
        advice = "warp it first by gdalwarp, since it has control points or RPCs alone"
    raise Mistake(f"{name} has no CRS and transform to say where its pixels lie: {advice}.")


def _looked_up(places: Points, here: RasterGeometry, there: RasterGeometry) -> Points:
    """Map positions on one grid to positions on another one."""
    x, y = _applied(_affine(here), places[::-1])
    if here.crs != there.crs:
        x, y = map(np.asarray, reproject(here.crs, there.crs, x, y))
    columns, rows = _applied(~_affine(there), np.stack([x, y]))
    return np.stack([rows, columns])


def _affine(geometry: RasterGeometry) -> Any:
    assert geometry.transform is not None
    return geometry.transform


def _applied(affine: Affine, points: Points) -> Points:
    """Apply an affine transform to points ``(2, N)`` of x and y."""
    x, y = points
    return np.stack(
        [affine.a * x + affine.b * y + affine.c, affine.d * x + affine.e * y + affine.f]
    )
