"""Rasters through GDAL."""

from srlab.io.raster.reader import RasterReader
from srlab.io.raster.warped import WarpedReader
from srlab.io.raster.writer import GeoTiffWriter

__all__ = ["GeoTiffWriter", "RasterReader", "WarpedReader"]
