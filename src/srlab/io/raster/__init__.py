"""Rasters: images of rows and columns with a place on the Earth, or photographs without one.

Reading:

- ``opening``: chooses the reader of a file that GDAL opens
- ``reader``: files that GDAL opens; ``subdatasets``: netCDF and HDF5, which hold many arrays
- ``bands``: names, types and colours of bands; ``tags``: texts that stay true of an output
- ``readable``, ``jpeg2000``, ``classic_netcdf``: refusal of files that GDAL cannot read well
- ``orientation``, ``picture_metadata``: EXIF orientation and other metadata of photographs
- ``gdal``: settings and errors of GDAL

Places on the Earth:

- ``geometry``: CRS, affine transform, control points and RPCs
- ``grids``: positions of one grid on another one; ``ground``: which rasters overlap
- ``warped``: a raster resampled onto another grid; ``matching``: the same, if it is needed

Writing:

- ``writer``: GeoTIFF; ``staged``: the blocks of an unfinished output
- ``encoded``: checks of an encoded GeoTIFF; ``tiff_exif``: EXIF data added to it

The folders ``sentinel2`` and ``zarr`` hold Sentinel-2 products and Zarr stores.
"""

from srlab.io.raster.reader import RasterReader
from srlab.io.raster.warped import WarpedReader
from srlab.io.raster.writer import GeoTiffWriter

__all__ = ["GeoTiffWriter", "RasterReader", "WarpedReader"]
