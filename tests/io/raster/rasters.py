"""Rasters for the tests to read and write."""

import numpy as np
import rasterio

from srlab.io import Provenance
from srlab.io.raster.reader import RasterReader
from srlab.io.raster.writer import GeoTiffWriter

MADE = Provenance(software="srlab 9.8", model="0a" * 32)


def create(path, count, shape, dtype, **profile):
    sizes = {"height": shape[0], "width": shape[1], "count": count, "dtype": dtype}
    return rasterio.open(path, "w", driver="GTiff", **sizes, **profile)


def save(path, array, *, stored_as=None, tags=None, **profile):
    """Write ``(C, H, W)`` as it is; `stored_as` holds scales, offsets, descriptions, …"""
    path.unlink(missing_ok=True)
    with create(path, len(array), array.shape[1:], array.dtype, **profile) as file:
        for key, value in (stored_as or {}).items():
            setattr(file, key, value)
        file.update_tags(**(tags or {}))
        file.write(array)
    return path


def whole(reader):
    return tuple(slice(0, size) for size in reader.description.shape)


def source(path, *, count=1, shape=(6, 8), dtype="uint8", describe=lambda file: None, **profile):
    """Describe an input file without pixels."""
    with create(path, count, shape, dtype, **profile) as file:
        describe(file)
    return RasterReader(path).description


def begun(path, description):
    writer = GeoTiffWriter(path, description, provenance=MADE)
    writer.prepare()
    return writer


def write(path, description, array, *, step=None):
    """Write whole, or in strips of `step` rows."""
    writer = begun(path, description)
    for row in range(0, array.shape[1], step or array.shape[1]):
        part = array[:, row : row + (step or array.shape[1])]
        writer.write((slice(row, row + part.shape[1]), slice(0, array.shape[2])), part)
    writer.finish()
    return rasterio.open(path)


def values(description):
    shape = (len(description.channels), *description.shape)
    return np.random.default_rng(0).uniform(1, 100, shape).astype(np.float32)
