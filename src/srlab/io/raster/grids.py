"""Where the pixels of one grid lie on another one."""

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
"""The share of a pixel by which grids that coincide may differ."""

PROBES = 33
"""Places along each axis of a grid that are looked up to find its outline in another one."""

Points = NDArray[np.float64]


@dataclass(frozen=True)
class GridPair:
    """Two grids: places of the `target` are looked up in the `source`.

    Places are ``(row, column)`` of corners of pixels, in the shape ``(2, N)``. They are infinite
    where one CRS does not reach the other's place.
    """

    source: RasterGeometry
    target: RasterGeometry

    def to_source(self, places: Points) -> Points:
        """Return where places of the target lie in the source."""
        return _looked_up(places, self.target, self.source)

    def to_target(self, places: Points) -> Points:
        """Return where places of the source lie in the target."""
        return _looked_up(places, self.source, self.target)

    @cached_property
    def offset(self) -> tuple[int, int] | None:
        """The source's pixel under the target's first one; None unless the grids coincide."""
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
        """The whole pixels of the source that the target covers; None if there are none.

        They are a rectangle, which at the corners of a turned target reaches beyond it.
        """
        sides = [np.linspace(0, size, PROBES) for size in self.target.shape]
        places = np.stack(np.meshgrid(*sides, indexing="ij")).reshape(2, -1)
        found = self.to_source(places)
        found = found[:, np.isfinite(found).all(axis=0)]
        window = []
        for along, size in zip(found, self.source.shape, strict=True):
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
        """Pixels of the source to one of the target, along the source's rows and columns.

        They are measured at the centre of the source. Both are 1 if the target cannot show it.
        """
        middle = np.array(self.source.shape)[:, None] / 2
        steps_there = np.array([[0, 1, 0], [0, 0, 1]])
        centre, below, beside = self.to_target(middle + steps_there).T
        steps = np.stack([below - centre, beside - centre], axis=1)
        if not np.isfinite(steps).all() or not np.linalg.det(steps):
            return 1.0, 1.0
        down, across = np.linalg.norm(np.linalg.inv(steps), axis=1)
        return float(down), float(across)


def georeferenced(geometry: Geometry | None, name: str) -> RasterGeometry:
    """Return the geometry of a raster that lies somewhere by a CRS and an affine transform.

    Raises a `Mistake` for any other, such as one that has control points alone.
    """
    if isinstance(geometry, RasterGeometry) and geometry.crs and geometry.transform is not None:
        return geometry
    advice = "give it these, such as by gdal_translate -a_srs and -a_ullr"
    if isinstance(geometry, RasterGeometry) and (geometry.gcps or geometry.rpcs):
        advice = "warp it first by gdalwarp, since it has control points or RPCs alone"
    raise Mistake(f"{name} has no CRS and transform to say where its pixels lie: {advice}.")


def _looked_up(places: Points, here: RasterGeometry, there: RasterGeometry) -> Points:
    """Return where places of one grid lie on another one."""
    x, y = _applied(_affine(here), places[::-1])
    if here.crs != there.crs:
        x, y = (np.asarray(each) for each in reproject(here.crs, there.crs, x, y))
    columns, rows = _applied(~_affine(there), np.stack([x, y]))
    return np.stack([rows, columns])


def _affine(geometry: RasterGeometry) -> Any:
    assert geometry.transform is not None
    return geometry.transform


def _applied(affine: Affine, points: Points) -> Points:
    """Map ``(2, N)`` of x and y."""
    x, y = points
    return np.stack(
        [affine.a * x + affine.b * y + affine.c, affine.d * x + affine.e * y + affine.f]
    )
