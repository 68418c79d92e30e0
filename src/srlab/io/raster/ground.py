"""The ground that a raster covers: whether it overlaps with that of another raster."""

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
"""Positions along a side of a raster, as shares of it, by which its outline is reprojected."""


@dataclass(frozen=True)
class RasterGround:
    """The ground of a raster with a CRS and an affine transform."""

    grid: RasterGeometry

    def ball(self, margin: Sequence[float]) -> tuple[NDArray[np.float64], float]:
        """Return the centre ``(3,)`` and the radius of a ball around the ground.

        Both are in units of the Earth's radius, from its centre. The ball also contains `margin`
        pixels around the raster, along each axis.
        """
        rows, columns = [
            SIDES[::5] * (pixels + 2 * more) - more
            for pixels, more in zip(self.grid.shape, margin, strict=True)
        ]
        positions = np.stack(np.meshgrid(rows, columns, indexing="ij")).reshape(2, -1)
        x, y = (self.grid.transform or Affine.identity()) @ tuple(positions[::-1])
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
        if not len(points):  # none can be expressed as longitude and latitude
            return np.zeros(3), 0.0
        centre = points.mean(axis=0)
        # A tenth more allows for the curvature of the Earth between the points.
        return centre, 1.1 * float(np.linalg.norm(points - centre, axis=1).max())

    def overlaps(self, other: RasterGround, margin: Sequence[float]) -> bool:
        """Whether the other ground reaches within `margin` pixels of this one, or the reverse.

        The margin is tried in pixels of both rasters. A negative one shrinks the rasters.
        """
        pair = GridPair(self.grid, other.grid)
        here = pair.to_source(_outline(other.grid.shape))
        if _meets(here, self.grid.shape, margin):
            return True
        return _meets(pair.to_target(_outline(self.grid.shape)), other.grid.shape, margin)

    def offset(self, other: RasterGround) -> tuple[int, int] | None:
        """Return this raster's pixel at the other's first pixel; None unless they share a grid."""
        return GridPair(self.grid, other.grid).offset


def raster_ground(geometry: RasterGeometry) -> RasterGround | None:
    """Return the ground of a raster; None if it has no place on the Earth.

    Control points and RPCs are replaced by the affine transform that fits them best.
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
        return None  # a local grid, whose place on the Earth is unknown
    placed = replace(geometry, crs=crs, transform=transform, gcps=(), gcps_crs=None, rpcs=None)
    return RasterGround(placed)


def _fitted(rpcs: RPC, shape: Sequence[int]) -> Affine:
    """Return the affine transform that fits RPCs best, at their mean height.

    It maps pixels to longitude and latitude, by least squares over the outline of the raster.
    """
    rows, columns = _outline(shape)
    with RPCTransformer(rpcs) as transformer:
        heights = np.full(len(rows), rpcs.height_off)
        world = transformer.xy(rows, columns, zs=heights, offset="ul")
    pixels = np.stack([columns, rows, np.ones_like(rows)], axis=1)
    fitted, *_ = np.linalg.lstsq(pixels, np.transpose(world), rcond=None)
    return Affine(*fitted.T.ravel())


def _outline(shape: Sequence[int]) -> Points:
    """Return positions ``(2, N)`` along the outline of a raster, in pixels."""
    ends = np.ones_like(SIDES)
    rows = np.concatenate([0 * ends, SIDES, ends, SIDES[::-1]])
    columns = np.concatenate([SIDES, ends, SIDES[::-1], 0 * ends])
    return np.stack([rows * shape[0], columns * shape[1]])


def _meets(outline: Points, shape: Sequence[int], margin: Sequence[float]) -> bool:
    """Whether a polygon ``(2, N)`` overlaps with a raster and `margin` pixels around it.

    The polygon is clipped to this rectangle; they overlap if an area is left.
    """
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
    """Cut away the part of a polygon below a bound (Sutherland and Hodgman 1974)."""
    before = np.roll(polygon, 1, axis=1)
    height, height_before = polygon[axis] - bound, before[axis] - bound
    crosses = (height >= 0) != (height_before >= 0)
    rise = np.where(crosses, height_before - height, 1)
    crossings = before + (polygon - before) * np.where(crosses, height_before, 0) / rise
    crossings[axis] = bound
    # Each side adds the point where it crosses the bound, and its end if it is above.
    kept = np.stack([crosses, height >= 0], axis=1).ravel()
    return np.stack([crossings, polygon], axis=2).reshape(2, -1)[:, kept]
