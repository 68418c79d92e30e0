"""Pictures without a place on the Earth, as outputs: PNG, JPEG, WebP and BMP.

As inputs, they are read by `srlab.io.raster`, since GDAL opens them.

- ``writer``: the writer of all four formats
- ``jpeg``: the parts of a JPEG that are encoded independently
- ``metadata``: EXIF data, colour profile and print density, added after GDAL has encoded a picture
"""

from srlab.io.image.writer import ImageWriter

__all__ = ["ImageWriter"]
