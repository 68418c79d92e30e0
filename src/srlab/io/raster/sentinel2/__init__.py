"""Sentinel-2 products as they are delivered: SAFE folders, and zips of them."""
