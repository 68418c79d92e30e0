"""Zarr stores, of format 2 and 3, with the place of their pixels by CF, GDAL or GeoZarr."""
