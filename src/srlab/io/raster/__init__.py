"""Rasters through GDAL."""

from srlab.io.raster.reader import RasterReader, RasterWriter

__all__ = ["RasterReader", "RasterWriter"]
