"""Microscopes' images: stacks, time series and channels in TIFF and OME-Zarr."""
