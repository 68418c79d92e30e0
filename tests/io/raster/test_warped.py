"""`WarpedReader` against formulas, gdalwarp and its own whole image."""

import pickle
import re

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.warp import Resampling, reproject, transform
from rasters import save, whole
from scipy import ndimage

from srlab.io.raster.geometry import RasterGeometry
from srlab.io.raster.reader import RasterReader
from srlab.io.raster.warped import WarpedReader
from srlab.mistakes import Mistake

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
UTM, NEIGHBOUR = rasterio.CRS.from_epsg(32632), rasterio.CRS.from_epsg(32633)
PLACE = Affine(10, 0, 700_000, 0, -10, 5_200_000)
RNG = np.random.default_rng(0)


def scene(tmp_path, pixels, place=PLACE, **profile):
    path = save(tmp_path / "scene.tif", pixels, crs=UTM, transform=place, **profile)
    return RasterReader(path)


def grid(shape, place, crs=UTM):
    return RasterGeometry(shape, crs=crs, transform=place)


def noise(shape=(2, 40, 50)):
    return RNG.integers(1, 10_000, shape).astype(np.float32)


def smooth(x, y):
    """A landscape of waves some 600 m long, by metres east and north of `PLACE`."""
    return 5 + np.sin((x - 700_000) / 100) + np.cos((y - 5_200_000) / 120)


def on_grid(function, geometry, crs=UTM):
    """The values of a function of UTM metres at the centres of a grid's pixels."""
    rows, columns = np.indices(geometry.shape) + 0.5
    x, y = geometry.transform @ (columns.ravel(), rows.ravel())
    if geometry.crs != crs:
        x, y = transform(geometry.crs, crs, x, y)
    return function(np.asarray(x), np.asarray(y)).reshape(geometry.shape)


def test_pixels_of_grids_that_coincide_are_copied(tmp_path):
    pixels = noise()
    # 3 rows up, 4 columns to the right, and 0.4 thousandths of a pixel beside
    target = grid((30, 60), PLACE @ Affine.translation(4 + 4e-4, -3))
    reader = WarpedReader(scene(tmp_path, pixels), target)
    expected = np.full((2, 30, 60), np.nan, np.float32)
    expected[:, 3:, :46] = pixels[:, :27, 4:]
    np.testing.assert_array_equal(reader.read(whole(reader)), expected)
    assert reader.description.geometry == target
    assert reader.description.pixel_size == (10, 10)


def test_half_a_pixel_is_cubic_convolution(tmp_path):
    pixels = noise((1, 9, 40))
    target = grid((5, 30), PLACE @ Affine.translation(5.5, 2))
    reader = WarpedReader(scene(tmp_path, pixels), target)
    taps = [pixels[0, 2:7, start : start + 30] for start in (4, 5, 6, 7)]
    keys = [-1 / 16, 9 / 16, 9 / 16, -1 / 16]  # at distances of 1.5 and 0.5, a = -0.5
    expected = sum(weight * tap for weight, tap in zip(keys, taps, strict=True))
    np.testing.assert_allclose(reader.read(whole(reader))[0], expected, rtol=1e-5)


TURNED = PLACE @ Affine.translation(8, 8) @ Affine.rotation(20)
ZONE = Affine(10, 0, 243_260, 0, -10, 5_202_120)  # the same ground in the zone to the east


@pytest.mark.parametrize(
    "target",
    [
        grid((30, 30), TURNED @ Affine.scale(0.7)),
        grid((24, 30), PLACE @ Affine(1, 0, 2.25, 0, -1, 30.5)),
        grid((40, 40), ZONE, NEIGHBOUR),
        grid((40, 40), Affine(1e-4, 0, 11.6272, 0, -7e-5, 46.923), rasterio.CRS.from_epsg(4326)),
    ],
    ids=["rotated", "south-up", "another zone", "degrees"],
)
def test_places_are_those_of_the_ground(tmp_path, target):
    own = grid((60, 70), PLACE)
    reader = WarpedReader(scene(tmp_path, on_grid(smooth, own)[None].astype(np.float32)), target)
    got = reader.read(whole(reader))[0]
    # at the rim of the scene there is nothing to interpolate with
    inside = ndimage.binary_erosion(np.isfinite(got), iterations=2, border_value=1)
    assert inside.mean() > 0.5
    # a tenth of a pixel beside would be off by up to 1e-2
    np.testing.assert_allclose(got[inside], on_grid(smooth, target)[inside], atol=1e-3)


@pytest.mark.parametrize("size", [4.0, 23.0])
@pytest.mark.parametrize("crs", [UTM, NEIGHBOUR], ids=["one zone", "two zones"])
def test_a_window_equals_the_part_of_the_whole(tmp_path, crs, size):
    place = {UTM: PLACE @ Affine.translation(-3.3, 2.6) @ Affine.rotation(5), NEIGHBOUR: ZONE}[crs]
    target = grid((50, 60), place @ Affine.scale(size / 10), crs)
    pixels = noise((2, 90, 100))
    pixels[0, 20:24, 30:33] = np.nan
    reader = WarpedReader(scene(tmp_path, pixels), target)
    everything = reader.read(whole(reader))
    assert np.isfinite(everything).any()
    window = slice(11, 37), slice(5, 22)
    again = pickle.loads(pickle.dumps(reader)).read(window)
    np.testing.assert_allclose(again, everything[:, *window], rtol=1e-5)


def test_large_windows_are_read_in_parts(tmp_path, monkeypatch):
    reader = WarpedReader(scene(tmp_path, noise()), grid((30, 30), TURNED))
    expected = reader.read(whole(reader))
    monkeypatch.setattr("srlab.io.raster.warped.LARGEST", 200)
    np.testing.assert_allclose(reader.read(whole(reader)), expected, rtol=1e-5)


def test_a_coarser_grid_shows_no_aliases(tmp_path):
    stripes = (np.indices((80, 80)) % 2 * 100).astype(np.float32)  # of rows, and of columns
    target = grid((16, 16), PLACE @ Affine.scale(4.1))
    reader = WarpedReader(scene(tmp_path, stripes), target)
    np.testing.assert_allclose(reader.read(whole(reader))[:, 2:-2, 2:-2], 50, atol=2)


def test_no_data_where_the_pixel_under_the_centre_has_none_in_that_band(tmp_path):
    pixels = np.full((2, 20, 20), 7, np.int16)
    pixels[0, 8:12, 8:12] = -1
    target = grid((20, 24), PLACE @ Affine.translation(0.25, 0))
    reader = WarpedReader(scene(tmp_path, pixels, nodata=-1), target)
    got = reader.read(whole(reader))
    expected = np.full((2, 20, 24), 7.0)
    expected[0, 8:12, 8:12] = np.nan
    expected[:, :, 20:] = np.nan
    np.testing.assert_allclose(got, expected, rtol=1e-6)


def test_classes_stay_classes(tmp_path):
    classes = RNG.integers(0, 12, (1, 30, 30)).astype(np.uint8)
    target = grid((40, 40), TURNED @ Affine.scale(0.6))
    reader = WarpedReader(scene(tmp_path, classes), target, resampling="nearest")
    got = reader.read(whole(reader))
    expected = np.full((1, 40, 40), np.nan, np.float32)
    reproject(
        classes.astype(np.float32), expected, src_transform=PLACE, src_crs=UTM, dst_crs=UTM,
        dst_transform=target.transform, dst_nodata=np.nan, resampling=Resampling.nearest,
    )  # fmt: skip
    np.testing.assert_array_equal(got, expected)


def test_physical_units_and_band_names_are_the_files(tmp_path):
    pixels = np.full((2, 20, 20), 300, np.uint16)
    kept = {"scales": (0.01, 0.01), "offsets": (-1, -1), "descriptions": ("B2", "B3")}
    save(tmp_path / "scene.tif", pixels, stored_as=kept, crs=UTM, transform=PLACE)
    reader = WarpedReader(RasterReader(tmp_path / "scene.tif", bands=["B3"]), grid((9, 9), TURNED))
    assert reader.description.names == ("B3",)
    np.testing.assert_allclose(reader.read(whole(reader)), 2, rtol=1e-6)


def test_other_ground_holds_nothing(tmp_path):
    far = grid((10, 10), PLACE @ Affine.translation(1e4 + 0.5, 0))
    reader = WarpedReader(scene(tmp_path, noise()), far)
    assert np.isnan(reader.read(whole(reader))).all()


def test_rasters_that_lie_nowhere_are_refused(tmp_path):
    path = save(tmp_path / "nowhere.tif", noise())
    with pytest.raises(Mistake, match=re.escape("nowhere.tif has no CRS and transform to say")):
        WarpedReader(RasterReader(path), grid((5, 5), PLACE))
    with pytest.raises(Mistake, match="the grid to be shown on has no CRS"):
        WarpedReader(scene(tmp_path, noise()), RasterGeometry((5, 5)))
    with pytest.raises(Mistake, match="resampling is 'best'; choose one of nearest"):
        WarpedReader(scene(tmp_path, noise()), grid((5, 5), PLACE), resampling="best")
