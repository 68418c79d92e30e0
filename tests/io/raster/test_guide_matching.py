"""Guides whose pixels do not coincide with those that are wanted."""

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasters import save, whole

from srlab.io.guided import guided
from srlab.io.raster.matching import on_grid
from srlab.io.raster.reader import RasterReader
from srlab.mistakes import Mistake

UTM = rasterio.CRS.from_epsg(32616)
WEST, NORTH = 452_475, 3_408_645


def landscape(shape, size, west, north):
    """Waves of 500 m, averaged over square pixels by the formula, plus a slope."""
    rows, columns = np.indices(shape) + 0.5
    x, y = west + columns * size, north - rows * size
    blur = np.sinc(size / 500)
    waves = np.sin(2 * np.pi * x / 500) + np.cos(2 * np.pi * y / 500)
    return (1000 + 100 * blur * waves)[None].astype(np.float32)


def raster(path, shape, size, west=WEST, north=NORTH):
    place = Affine(size, 0, west, 0, -size, north)
    return save(path, landscape(shape, size, west, north), crs=UTM, transform=place)


def test_guide_of_half_a_pixel_beside_shows_the_same_ground(tmp_path):
    """As of Landsat, whose panchromatic pixels lie around the centres of the others."""
    image = raster(tmp_path / "ms.tif", (40, 30), 30)
    guide = raster(tmp_path / "pan.tif", (82, 62), 15, WEST - 7.5, NORTH + 7.5)
    reader = guided(RasterReader(image), RasterReader(guide), ratio=(2, 2))
    assert reader.description.geometry == RasterReader(image).description.geometry
    _, shown = reader.layout.parted(reader.read(whole(reader)))
    expected = landscape((80, 60), 15, WEST, NORTH)
    np.testing.assert_allclose(shown[:, 4:-4, 4:-4], expected[:, 4:-4, 4:-4], atol=0.5)


def test_raster_on_the_wanted_grid_stays_itself(tmp_path):
    reader = RasterReader(raster(tmp_path / "a.tif", (20, 20), 15))
    assert on_grid(reader, reader.description) is reader
    nowhere = RasterReader(save(tmp_path / "b.tif", np.ones((1, 20, 20), np.float32)))
    assert on_grid(nowhere, reader.description) is nowhere


def test_guide_that_is_not_as_fine_as_the_ratio_says_is_refused(tmp_path):
    image = RasterReader(raster(tmp_path / "ms.tif", (40, 30), 30))
    with pytest.raises(Mistake, match=r"the pixels of .*ms.tif are 30 m and 15 m are wanted"):
        guided(image, image, ratio=(2, 2))
