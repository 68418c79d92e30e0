"""The place of a Zarr array, by the attributes that other programs read and write.

There are several conventions:

- CF's grid mapping (CF conventions 1.11, section 5.6), with the ``GeoTransform`` that GDAL and
  rioxarray add to it
- arrays with the coordinates of the pixels' centres
- GDAL's ``_CRS``
- GeoZarr's ``proj:`` and ``spatial:``
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
"""The attribute in which xarray and GDAL store the names of a Zarr 2 array's axes."""

GRID_MAPPING = "spatial_ref"
"""The name of the grid mapping: an array without values, whose attributes are the place."""

UNEVEN = 1e-3
"""The largest deviation of coordinates from equal steps, as a share of a step."""

LONGEST = 2**24
"""The most coordinates along an axis that are read, since all are in memory at once."""


def read_geometry(
    array: Any, beside: Mapping[str, Any], attributes: Mapping[str, Any]
) -> RasterGeometry:
    """Return the place of an array, by its attributes and the arrays `beside` it in its group."""
    all_attributes = dict(attributes)
    mapping = beside.get(all_attributes.get("grid_mapping", "")) or beside.get(GRID_MAPPING)
    if mapping is not None:
        all_attributes |= dict(mapping.attrs)
    transform = _stated_transform(all_attributes)
    if transform is None:
        transform = _transform_of_centres(dimensions(array), beside, array.shape)
    return RasterGeometry(tuple(array.shape[-2:]), _crs(all_attributes), transform)


def dimensions(array: Any) -> tuple[str, ...]:
    """Return the names of an array's axes; empty if it has none."""
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

    Empty for a rotated raster.
    """
    transform = geometry.transform
    if transform is None or not transform.is_rectilinear or transform.a == 0:
        return {}
    rows, columns = geometry.shape
    return {
        "y": transform.f + transform.e * (np.arange(rows) + 0.5),
        "x": transform.c + transform.a * (np.arange(columns) + 0.5),
    }


def _stated_transform(attributes: Mapping[str, Any]) -> Affine | None:
    """Return the affine transform in the attributes, as GDAL or GeoZarr store it, or None."""
    stated = attributes.get("GeoTransform")
    if stated is not None:
        numbers = stated.split() if isinstance(stated, str) else stated
        return Affine.from_gdal(*map(float, numbers))
    stated = attributes.get("spatial:transform")
    if stated is not None:
        return Affine(*map(float, stated[:6]))
    return None


def _transform_of_centres(
    names: Sequence[str], beside: Mapping[str, Any], shape: tuple[int, ...]
) -> Affine | None:
    """Return the affine transform by the coordinates along the last two axes.

    None if there are no such arrays, or if their steps are not equal.
    """
    coordinates = [beside[name] for name in names[-2:] if name in beside]
    if [array.shape for array in coordinates] != [(size,) for size in shape[-2:]]:
        return None
    if max(shape[-2:]) > LONGEST:
        return None
    rows, columns = [_corner_and_step(np.asarray(array[:], np.float64)) for array in coordinates]
    if rows is None or columns is None:
        return None
    (top, down), (left, right) = rows, columns
    return Affine(right, 0, left, 0, down, top)


def _corner_and_step(centres: NDArray[np.float64]) -> tuple[float, float] | None:
    """Return the first pixel's outer corner and the step, or None if the steps are not equal."""
    if len(centres) < 2:
        return None
    step = float(centres[-1] - centres[0]) / (len(centres) - 1)
    even = centres[0] + step * np.arange(len(centres))
    if step == 0 or not np.abs(centres - even).max() <= UNEVEN * abs(step):
        return None
    return float(centres[0]) - step / 2, step


def _crs(attributes: Mapping[str, Any]) -> CRS | None:
    """Return the CRS in the first attribute that GDAL understands, or None."""
    by_gdal = attributes.get("_CRS") or {}
    names = ("crs_wkt", "spatial_ref", "proj:wkt2", "proj:code", "proj:epsg")
    stated = [attributes.get(name) for name in names]
    for crs in (*stated, by_gdal.get("wkt"), by_gdal.get("url")):
        if not crs:
            continue
        try:
            return CRS.from_user_input(crs)
        except CRSError:
            continue
    return None
