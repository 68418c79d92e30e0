"""The place of a Zarr array's pixels, by the attributes that other programs read and write.

These are CF's grid mapping (CF conventions 1.11, section 5.6), with the ``GeoTransform`` that GDAL
and rioxarray put there; coordinates of the pixels' centres; GDAL's ``_CRS``; and GeoZarr's
``proj:`` and ``spatial:``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.enums import WktVersion
from rasterio.errors import CRSError

from srlab.io.raster.geometry import RasterGeometry

DIMENSIONS = "_ARRAY_DIMENSIONS"
"""The attribute with the names of a Zarr 2 array's axes, as xarray and GDAL have it."""

GRID_MAPPING = "spatial_ref"
"""The name of the array whose attributes are the place."""

UNEVEN = 1e-3
"""The share of a step by which coordinates may differ from even ones."""


LONGEST = 2**24
"""The most coordinates along an axis that are read: they fill memory before the first pixel."""


def read_geometry(
    array: Any, beside: Mapping[str, Any], attributes: Mapping[str, Any]
) -> RasterGeometry:
    """Return the place of an array; `beside` are the arrays of its group, by their names."""
    noted = dict(attributes)
    mapping = beside.get(noted.get("grid_mapping", "")) or beside.get(GRID_MAPPING)
    if mapping is not None:
        noted |= dict(mapping.attrs)
    transform = _stated_transform(noted)
    if transform is None:
        transform = _transform_of_centres(dimensions(array), beside, array.shape)
    return RasterGeometry(tuple(array.shape[-2:]), _crs(noted), transform)


def dimensions(array: Any) -> tuple[str, ...]:
    """Return the names of an array's axes, or nothing where it has none."""
    names = array.attrs.get(DIMENSIONS)
    if names is None and array.metadata.zarr_format == 3:
        names = array.metadata.dimension_names
    return tuple(map(str, names or ()))


def place_attributes(geometry: RasterGeometry) -> dict[str, Any]:
    """Return the attributes of the grid mapping."""
    attributes: dict[str, Any] = {}
    if geometry.crs:
        attributes["crs_wkt"] = geometry.crs.to_wkt(version=WktVersion.WKT2_2019)
        attributes["spatial_ref"] = attributes["crs_wkt"]
    if geometry.transform:
        attributes["GeoTransform"] = " ".join(map(repr, geometry.transform.to_gdal()))
    return attributes


def centres(geometry: RasterGeometry) -> dict[str, NDArray[Any]]:
    """Return the coordinates of the pixels' centres along ``y`` and ``x``.

    A rotated raster has none.
    """
    transform = geometry.transform
    if transform is None or not transform.is_rectilinear or transform.a == 0:
        return {}
    rows, columns = geometry.shape
    return {
        "y": transform.f + transform.e * (np.arange(rows) + 0.5),
        "x": transform.c + transform.a * (np.arange(columns) + 0.5),
    }


def _stated_transform(noted: Mapping[str, Any]) -> Affine | None:
    """Return the affine that attributes state, in GDAL's order or in GeoZarr's, or None."""
    stated = noted.get("GeoTransform")
    if stated is not None:
        numbers = stated.split() if isinstance(stated, str) else stated
        return Affine.from_gdal(*map(float, numbers))
    stated = noted.get("spatial:transform")
    if stated is not None:
        return Affine(*map(float, stated[:6]))
    return None


def _transform_of_centres(
    names: Sequence[str], beside: Mapping[str, Any], shape: tuple[int, ...]
) -> Affine | None:
    """Return the affine of even coordinates along the last two axes, or None."""
    found = [beside[name] for name in names[-2:] if name in beside]
    if [each.shape for each in found] != [(size,) for size in shape[-2:]]:
        return None
    if max(shape[-2:]) > LONGEST:
        return None
    lines = [_line(np.asarray(each[:], np.float64)) for each in found]
    if None in lines:
        return None
    (top, down), (left, right) = [line for line in lines if line is not None]
    return Affine(right, 0, left, 0, down, top)


def _line(centre: NDArray[np.float64]) -> tuple[float, float] | None:
    """Return the first corner and the step of even coordinates, or None."""
    if len(centre) < 2:
        return None
    step = float(centre[-1] - centre[0]) / (len(centre) - 1)
    even = centre[0] + step * np.arange(len(centre))
    if step == 0 or not np.abs(centre - even).max() <= UNEVEN * abs(step):
        return None
    return float(centre[0]) - step / 2, step


def _crs(noted: Mapping[str, Any]) -> CRS | None:
    by_gdal = noted.get("_CRS") or {}
    stated = (
        *(noted.get("crs_wkt"), noted.get("spatial_ref"), noted.get("proj:wkt2")),
        *(noted.get("proj:code"), noted.get("proj:epsg"), by_gdal.get("wkt"), by_gdal.get("url")),
    )
    for each in filter(None, stated):
        try:
            return CRS.from_user_input(each)
        except CRSError:
            continue
    return None
