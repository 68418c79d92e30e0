"""Files that lie somewhere, and where regions of them lie."""

import numpy as np
from affine import Affine
from rasterio.crs import CRS

from srlab.io.array.memory import ArrayReader
from srlab.io.raster.geometry import RasterGeometry


class Placed(ArrayReader):
    """Numbers that are the pixels' places on the ground, on a grid of 10 m in one large image."""

    def __init__(self, shape, row=0, column=0, *, turn=0.0, pixel=10.0):
        rows, columns = np.indices(shape)
        super().__init__((rows + row + 1000.0 * (columns + column))[None], name=f"{row},{column}")
        transform = (
            Affine.translation(500_000 + 10 * column, 5_000_000 - 10 * row)
            @ Affine.rotation(turn)
            @ Affine.scale(pixel, -pixel)
        )
        geometry = RasterGeometry(shape=shape, crs=CRS.from_epsg(32633), transform=transform)
        self.description = self.description.__class__(
            shape, self.description.axes, self.description.channels, geometry
        )


def unchanged(hr, *, generator):
    return hr


def painted(regions, shape):
    times = np.zeros(shape, int)
    for region in regions:
        times[region.window] += 1
    return times
