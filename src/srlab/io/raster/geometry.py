"""Where the pixels of a raster lie on the Earth."""

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

_SEMI_MAJOR_AXIS, _FLATTENING = 6_378_137.0, 1 / 298.257223563  # WGS 84, in metres


@dataclass(frozen=True)
class RasterGeometry:
    """Extent of a raster of `shape` ``(rows, columns)``, by an affine, control points or RPCs.

    The affine maps the corner of a pixel, ``(column, row)``, to the world, with rotation and shear.
    Control points do so, too: where a file's are pixel centres (``AREA_OR_POINT=Point``), GDAL
    shifts them on reading and on writing. All are None or empty in a file that lies nowhere.
    """

    shape: tuple[int, int]
    crs: Any = None
    transform: Affine | None = None
    gcps: tuple[GroundControlPoint, ...] = ()
    gcps_crs: Any = None
    rpcs: RPC | None = None

    @property
    def pixel_size(self) -> tuple[float, float] | None:
        """Metres on the ground from row to row and from column to column; None without a CRS.

        Degrees are converted at the centre's latitude. There Mercator's metres are shortened to
        those on the ground. Control points count by their best-fitting affine, RPCs not at all.
        """
        crs, transform = self.crs, self.transform
        if transform is None and len(self.gcps) >= 3:
            crs, transform = self.gcps_crs, from_gcps(list(self.gcps))
        if not crs or transform is None:
            return None
        metres = _metres_per_unit(crs, transform @ (self.shape[1] / 2, self.shape[0] / 2))
        if metres is None:
            return None
        east, north = metres
        return (
            hypot(transform.b * east, transform.e * north),
            hypot(transform.a * east, transform.d * north),
        )

    @property
    def axes(self) -> tuple[Axis, Axis]:
        """Rows and columns, with the size of a pixel in metres where it is known."""
        if self.pixel_size is None:
            return Axis("y"), Axis("x")
        rows, columns = self.pixel_size
        return Axis("y", rows, "m"), Axis("x", columns, "m")

    @property
    def place(self) -> RasterGeometry:
        """All of it, without the system of control points that are not there."""
        return self if self.gcps else replace(self, gcps_crs=None)

    @property
    def ground(self) -> Ground | None:
        """The ground that the pixels cover; None of a file that lies nowhere."""
        from srlab.io.raster.ground import raster_ground  # it is made of geometries

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
        """Return the geometry of a turned image of `shape`.

        `to_file` maps the corners of its pixels to those in the file.
        """
        back = ~to_file
        moved = [_moved(point, *reversed(back @ (point.col, point.row))) for point in self.gcps]
        return replace(
            self,
            shape=shape,
            transform=self.transform and self.transform @ to_file,
            gcps=tuple(moved),
            rpcs=None,
        )


def _metres_per_unit(crs: Any, centre: tuple[float, float]) -> tuple[float, float] | None:
    """Return metres on the ground for a unit of x and of y at `centre`, or None if unknown."""
    if crs.is_geographic:
        to_radians: float = crs.units_factor[1]
        latitude = centre[1] * to_radians
        squared_eccentricity = _FLATTENING * (2 - _FLATTENING)
        bend = sqrt(1 - squared_eccentricity * sin(latitude) ** 2)
        # radii of curvature of the ellipsoid, along the parallel and along the meridian
        parallel = _SEMI_MAJOR_AXIS / bend * cos(latitude)
        meridian = _SEMI_MAJOR_AXIS * (1 - squared_eccentricity) / bend**3
        return parallel * to_radians, meridian * to_radians
    if not crs.is_projected:
        return None
    metres: float = crs.linear_units_factor[1]
    if 'PROJECTION["Mercator' in crs.to_wkt():  # stretched by 1 / cos(latitude): twofold in Oslo
        _, (degrees,) = reproject(crs, "EPSG:4326", [centre[0]], [centre[1]])
        metres *= cos(radians(degrees))
    return metres, metres


def _moved(point: GroundControlPoint, row: float, column: float) -> GroundControlPoint:
    return GroundControlPoint(row, column, point.x, point.y, point.z, point.id, point.info)


def _scaled_rpcs(rpcs: RPC, rows: int, columns: int) -> RPC:
    # RPCs count from the centre of the first pixel, so the corner's half pixel is scaled along
    moved = {
        "line_off": (rpcs.line_off + 0.5) * rows - 0.5,
        "samp_off": (rpcs.samp_off + 0.5) * columns - 0.5,
        "line_scale": rpcs.line_scale * rows,
        "samp_scale": rpcs.samp_scale * columns,
    }
    return RPC(**{**rpcs.to_dict(), **moved})
