"""The place of a raster on the Earth: CRS with affine transform, control points, or RPCs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import cos, hypot, radians, sin, sqrt
from typing import Any

from affine import Affine
from rasterio.control import GroundControlPoint
from rasterio.rpc import RPC
from rasterio.transform import from_gcps
from rasterio.warp import transform as reproject

from srlab.axes import Window
from srlab.io.description import Axis, Ground

_SEMI_MAJOR_AXIS, _FLATTENING = 6_378_137.0, 1 / 298.257223563
"""The ellipsoid of WGS 84; the axis is in metres."""


@dataclass(frozen=True)
class RasterGeometry:
    """The place of a raster of `shape` ``(rows, columns)``.

    It is given by an affine transform and its CRS, by ground control points (GCPs) and their CRS,
    or by rational polynomial coefficients (RPCs). All are None or empty if the file has no place.

    The affine transform maps corners of pixels, ``(column, row)``, to coordinates ``(x, y)`` of the
    CRS. Control points refer to corners as well. If a file's refer to centres
    (``AREA_OR_POINT=Point``), GDAL shifts them at reading and at writing.
    """

    shape: tuple[int, int]
    crs: Any = None
    transform: Affine | None = None
    gcps: tuple[GroundControlPoint, ...] = ()
    gcps_crs: Any = None
    rpcs: RPC | None = None

    @property
    def pixel_size(self) -> tuple[float, float] | None:
        """Metres on the ground from row to row and from column to column; None if unknown.

        Degrees, and the stretched metres of Mercator projections, are converted at the latitude of
        the centre. Control points are replaced by the affine transform that fits them best. For
        RPCs the size is unknown.
        """
        crs, transform = self.crs, self.transform
        if transform is None and len(self.gcps) >= 3:
            crs, transform = self.gcps_crs, from_gcps(list(self.gcps))
        if not crs or transform is None:
            return None
        rows, columns = self.shape
        metres = _metres_per_unit(crs, transform @ (columns / 2, rows / 2))
        if metres is None:
            return None
        east, north = metres
        return (
            hypot(transform.b * east, transform.e * north),
            hypot(transform.a * east, transform.d * north),
        )

    @property
    def axes(self) -> tuple[Axis, Axis]:
        """The axes y and x, with the size of a pixel in metres if it is known."""
        if self.pixel_size is None:
            return Axis("y"), Axis("x")
        rows, columns = self.pixel_size
        return Axis("y", rows, "m"), Axis("x", columns, "m")

    @property
    def place(self) -> RasterGeometry:
        """The whole geometry, but no CRS of control points if there are none."""
        return self if self.gcps else replace(self, gcps_crs=None)

    @property
    def ground(self) -> Ground | None:
        """The ground that the raster covers; None if the file has no place."""
        # Imported here, since that module imports this one.
        from srlab.io.raster.ground import raster_ground

        return raster_ground(self)

    def scaled(self, scale: Sequence[int]) -> RasterGeometry:
        """Return the same extent with `scale` times as many rows and columns."""
        rows, columns = scale
        return replace(
            self,
            shape=(self.shape[0] * rows, self.shape[1] * columns),
            transform=self.transform and self.transform @ Affine.scale(1 / columns, 1 / rows),
            gcps=tuple(_moved(point, point.row * rows, point.col * columns) for point in self.gcps),
            rpcs=self.rpcs and _scaled_rpcs(self.rpcs, rows, columns),
        )

    def part(self, window: Window) -> RasterGeometry:
        """Return the geometry of a window of this raster."""
        rows, columns = window
        shape = rows.stop - rows.start, columns.stop - columns.start
        return self.turned(Affine.translation(columns.start, rows.start), shape)

    def turned(self, to_file: Affine, shape: tuple[int, int]) -> RasterGeometry:
        """Return the geometry of a part of this raster, or of the raster turned round.

        The result has `shape`. `to_file` maps corners of its pixels, ``(column, row)``, to corners
        in this raster. RPCs are dropped.
        """
        from_file = ~to_file
        moved = []
        for point in self.gcps:
            column, row = from_file @ (point.col, point.row)
            moved.append(_moved(point, row, column))
        return replace(
            self,
            shape=shape,
            transform=self.transform and self.transform @ to_file,
            gcps=tuple(moved),
            rpcs=None,
        )


def _metres_per_unit(crs: Any, centre: tuple[float, float]) -> tuple[float, float] | None:
    """Return the metres on the ground of a unit of x and of a unit of y; None if unknown.

    They are those at `centre`, ``(x, y)``.
    """
    if crs.is_geographic:
        to_radians: float = crs.units_factor[1]
        latitude = centre[1] * to_radians
        squared_eccentricity = _FLATTENING * (2 - _FLATTENING)
        curvature = sqrt(1 - squared_eccentricity * sin(latitude) ** 2)
        # The radius of the parallel, and the meridian's radius of curvature.
        parallel = _SEMI_MAJOR_AXIS / curvature * cos(latitude)
        meridian = _SEMI_MAJOR_AXIS * (1 - squared_eccentricity) / curvature**3
        return parallel * to_radians, meridian * to_radians
    if not crs.is_projected:
        return None
    metres: float = crs.linear_units_factor[1]
    if 'PROJECTION["Mercator' in crs.to_wkt():  # stretched by 1 / cos(latitude)
        _, (degrees,) = reproject(crs, "EPSG:4326", [centre[0]], [centre[1]])
        metres *= cos(radians(degrees))
    return metres, metres


def _moved(point: GroundControlPoint, row: float, column: float) -> GroundControlPoint:
    """Return a control point at another row and column, with the same place on the Earth."""
    return GroundControlPoint(row, column, point.x, point.y, point.z, point.id, point.info)


def _scaled_rpcs(rpcs: RPC, rows: int, columns: int) -> RPC:
    # RPCs count rows and columns from the centre of the first pixel, not from its corner.
    moved = {
        "line_off": (rpcs.line_off + 0.5) * rows - 0.5,
        "samp_off": (rpcs.samp_off + 0.5) * columns - 0.5,
        "line_scale": rpcs.line_scale * rows,
        "samp_scale": rpcs.samp_scale * columns,
    }
    return RPC(**{**rpcs.to_dict(), **moved})
