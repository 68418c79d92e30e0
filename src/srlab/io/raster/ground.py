"""The ground that a raster covers, to be compared with that of other rasters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.rpc import RPC
from rasterio.transform import RPCTransformer, from_gcps
from rasterio.warp import transform as reproject

from srlab.io.raster.geometry import RasterGeometry
from srlab.io.raster.grids import GridPair, Points

WGS84 = "EPSG:4326"

SIDES = np.linspace(0, 1, 21)
"""The places along each side of a raster that stand for it in another CRS."""


@dataclass(frozen=True)
class RasterGround:
    """The ground of a raster with a CRS and an affine transform, whatever its direction."""

    grid: RasterGeometry

    def ball(self, margin: Sequence[float]) -> tuple[NDArray[np.float64], float]:
        """Return the centre ``(3,)`` and radius of a ball around the ground, in Earth's radii.

        The ground is that of the raster and `margin` pixels around it along each axis.
        """
        sides = zip(self.grid.shape, margin, strict=True)
        rows, columns = (-more + (pixels + 2 * more) * SIDES[::5] for pixels, more in sides)
        places = np.stack(np.meshgrid(rows, columns, indexing="ij")).reshape(2, -1)
        x, y = (self.grid.transform or Affine.identity()) @ tuple(places[::-1])
        longitude, latitude = np.radians(reproject(self.grid.crs, WGS84, x, y))
        points = np.stack(
            [
                np.cos(latitude) * np.cos(longitude),
                np.cos(latitude) * np.sin(longitude),
                np.sin(latitude),
            ],
            axis=1,
        )
        points = points[np.isfinite(points).all(axis=1)]
        if not len(points):  # beyond what the CRS can show
            return np.zeros(3), 0.0
        centre = points.mean(axis=0)
        # The Earth bends between the points, by far less than the addition.
        return centre, 1.1 * float(np.linalg.norm(points - centre, axis=1).max())

    def overlaps(self, other: RasterGround, margin: Sequence[float]) -> bool:
        """Whether the other one covers this ground or `margin` pixels around it.

        A negative margin takes pixels away. Pixels of the one and of the other count.
        """
        pair = GridPair(self.grid, other.grid)
        here = pair.to_source(_outline(other.grid.shape))
        if _meets(here, self.grid.shape, margin):
            return True
        return _meets(pair.to_target(_outline(self.grid.shape)), other.grid.shape, margin)

    def offset(self, other: RasterGround) -> tuple[int, int] | None:
        """Return this raster's pixel under the other's first; None unless they share a grid."""
        return GridPair(self.grid, other.grid).offset


def raster_ground(geometry: RasterGeometry) -> RasterGround | None:
    """Return the ground of a raster, or None if it lies nowhere.

    Control points and RPCs count by the affine transform that fits them best.
    """
    crs, transform = geometry.crs, geometry.transform
    if transform is None and len(geometry.gcps) >= 3:
        crs, transform = geometry.gcps_crs, from_gcps(list(geometry.gcps))
    elif transform is None and geometry.rpcs:
        crs, transform = WGS84, _fitted(geometry.rpcs, geometry.shape)
    if not crs or transform is None:
        return None
    known = CRS.from_user_input(crs)
    if not (known.is_projected or known.is_geographic):
        return None  # a local grid, whose place on Earth is unknown
    placed = replace(geometry, crs=crs, transform=transform, gcps=(), gcps_crs=None, rpcs=None)
    return RasterGround(placed)


def _fitted(rpcs: RPC, shape: Sequence[int]) -> Affine:
    """Fit an affine transform to longitude and latitude at the mean height of RPCs."""
    rows, columns = _outline(shape)
    with RPCTransformer(rpcs) as transformer:
        heights = np.full(len(rows), rpcs.height_off)
        world = transformer.xy(rows, columns, zs=heights, offset="ul")
    pixels = np.stack([columns, rows, np.ones_like(rows)], axis=1)
    fitted, *_ = np.linalg.lstsq(pixels, np.transpose(world), rcond=None)
    return Affine(*fitted.T.ravel())


def _outline(shape: Sequence[int]) -> Points:
    """Return places ``(row, column)`` around a raster, ``(2, N)``."""
    ends = np.ones_like(SIDES)
    rows = np.concatenate([0 * ends, SIDES, ends, SIDES[::-1]])
    columns = np.concatenate([SIDES, ends, SIDES[::-1], 0 * ends])
    return np.stack([rows * shape[0], columns * shape[1]])


def _meets(outline: Points, shape: Sequence[int], margin: Sequence[float]) -> bool:
    """Whether a polygon has an area in common with a raster and `margin` pixels around it."""
    polygon = outline[:, np.isfinite(outline).all(axis=0)]
    low, high = -np.array(margin), np.add(shape, margin)
    if not polygon.size or (polygon.max(1) <= low).any() or (polygon.min(1) >= high).any():
        return False
    for axis in (0, 1):
        polygon = _above(polygon, axis, low[axis])
        polygon = -_above(-polygon, axis, -high[axis])
    rows, columns = polygon
    doubled_area = np.dot(rows, np.roll(columns, 1)) - np.dot(columns, np.roll(rows, 1))
    return bool(abs(doubled_area) > 0)


def _above(polygon: Points, axis: int, bound: float) -> Points:
    """Clip a polygon ``(2, N)`` where it is below a bound (Sutherland and Hodgman 1974)."""
    before = np.roll(polygon, 1, axis=1)
    height, height_before = polygon[axis] - bound, before[axis] - bound
    crosses = (height >= 0) != (height_before >= 0)
    rise = np.where(crosses, height_before - height, 1)
    crossings = before + (polygon - before) * np.where(crosses, height_before, 0) / rise
    crossings[axis] = bound
    # Of each side: where it enters or leaves, then its end.
    kept = np.stack([crosses, height >= 0], axis=1).ravel()
    return np.stack([crossings, polygon], axis=2).reshape(2, -1)[:, kept]
