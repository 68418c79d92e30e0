"""Zarr stores as rasters, with an array for each band or for several.

- ``reader``, ``writer``: the reader and the writer
- ``place``: the place of the pixels, by the attributes of CF, GDAL and GeoZarr
"""
