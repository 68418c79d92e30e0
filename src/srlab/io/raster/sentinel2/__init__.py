"""Sentinel-2 products as they are delivered: SAFE folders, and zips of them.

- ``reader``: chosen bands as an image, in reflectance × 10 000
- ``product``: the files of a product, and the choice among them
- ``metadata``: scale and offset of the stored values
"""
