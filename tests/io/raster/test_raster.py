"""Windows that `RasterReader` reads, against rasterio, PIL and arithmetic."""

import multiprocessing
import os
import pickle
import re
import sys

import numpy as np
import pytest
import rasterio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from rasterio.errors import NotGeoreferencedWarning
from rasters import save, whole

from srlab.io.raster.reader import RasterReader

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
RNG = np.random.default_rng(0)


@pytest.fixture
def scene(tmp_path):
    return save(
        tmp_path / "scene.tif",
        RNG.integers(0, 10_000, (3, 40, 57), dtype=np.uint16),
        stored_as={"descriptions": ("B02", "B03", None)},
        tiled=True,
        blockxsize=16,
        blockysize=16,
    )


@given(data=st.data())
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20, deadline=None
)
def test_window_equals_slice_of_whole(scene, data):
    reader = RasterReader(scene)
    window = []
    for size in (40, 57):
        start = data.draw(st.integers(0, size - 1))
        window.append(slice(start, data.draw(st.integers(start + 1, size))))
    with rasterio.open(scene) as file:
        expected = file.read()[:, window[0], window[1]]
    got = reader.read(tuple(window))
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, expected)


def test_describes_the_file(scene):
    reader = RasterReader(scene)
    assert reader.description.shape == (40, 57)
    assert reader.description.names == ("B02", "B03", "3")
    assert reader.description.dtype == np.uint16
    assert str(reader) == str(scene)


def test_bands_by_number_and_name_in_the_order_asked(scene):
    reader = RasterReader(scene, bands=[3, "b02"])
    assert reader.description.names == ("3", "B02")
    with rasterio.open(scene) as file:
        np.testing.assert_array_equal(reader.read(whole(reader)), file.read([3, 1]))


def test_wrong_bands_are_refused(scene):
    cases = [
        ([4], "has no band 4: its bands are 1 to 3, named B02, B03, 3."),
        ([0], "has no band 0"),
        (["nir"], "no band named 'nir': choose from B02, B03, 3, or by number"),
        ("B02", "bands is 'B02'; give a list"),
        ([], "bands is []; give a list"),
    ]
    for bands, message in cases:
        with pytest.raises(ValueError, match=re.escape(message)):
            RasterReader(scene, bands=bands)


def test_a_name_in_two_bands_is_refused_unless_the_case_tells(tmp_path):
    names = {"descriptions": ("red", "RED", "red")}
    path = save(tmp_path / "a.tif", np.zeros((3, 2, 2), np.uint8), stored_as=names)
    assert RasterReader(path, bands=["RED"]).description.names == ("RED",)
    with pytest.raises(ValueError, match="several bands named 'red'"):
        RasterReader(path, bands=["red"])


def test_window_outside_the_image_is_refused(scene):
    cases = [
        (slice(0, 41), slice(0, 5)),
        (slice(-1, 4), slice(0, 5)),
        (slice(3, 3), slice(0, 5)),
        (slice(0, 4, 2), slice(0, 5)),
        (slice(0, 4),),
        (slice(None, 4), slice(0, 5)),
    ]
    for window in cases:
        with pytest.raises(ValueError, match="does not lie inside an image of 40 x 57 pixels"):
            RasterReader(scene).read(window)


def test_scale_offset_and_nodata_give_physical_values(tmp_path):
    stored = np.array([[[0, 1, 1000, 65535]], [[0, 1, 1000, 65535]]], np.uint16)
    stored_as = {"scales": (1e-4, 1.0), "offsets": (-0.1, 5.0)}
    path = save(tmp_path / "a.tif", stored, nodata=0, stored_as=stored_as)
    reader = RasterReader(path)
    expected = [[[np.nan, -0.0999, 0.0, 6.4535]], [[np.nan, 6, 1005, 65540]]]
    np.testing.assert_allclose(reader.read(whole(reader)), expected, rtol=1e-6, atol=1e-9)


def test_scaling_is_exact_beyond_float32(tmp_path):
    stored = np.array([[[2**24 + 1]]], np.int32)
    path = save(tmp_path / "a.tif", stored, stored_as={"offsets": (-float(2**24),)})
    assert RasterReader(path).read((slice(0, 1), slice(0, 1))).item() == 1


def test_nan_and_nodata_of_float_files_are_nan(tmp_path):
    stored = np.array([[[np.nan, -9999, 0, 1.5]]], np.float32)
    reader = RasterReader(save(tmp_path / "a.tif", stored, nodata=-9999))
    np.testing.assert_array_equal(reader.read(whole(reader)), [[[np.nan, np.nan, 0, 1.5]]])


@pytest.mark.parametrize(("dtype", "scale"), [("float32", 1), ("float64", 1), ("float64", 1e-3)])
def test_infinities_are_nan(tmp_path, dtype, scale):
    image = np.arange(6.0, dtype=dtype).reshape(1, 2, 3)
    image[0, 0, 1:] = np.inf, -np.inf
    path = save(tmp_path / "a.tif", image, stored_as={"scales": (scale,)})
    expected = scale * np.where(np.isfinite(image), image, np.nan)
    np.testing.assert_allclose(RasterReader(path).read((slice(0, 2), slice(0, 3))), expected)


def test_what_a_float32_cannot_hold_is_nan(tmp_path):
    path = save(tmp_path / "a.tif", np.array([[[1e300, -1e300, 1e30]]]))
    (row,) = RasterReader(path).read((slice(0, 1), slice(0, 3)))[0]
    np.testing.assert_array_equal(row, np.array([np.nan, np.nan, 1e30], np.float32))


def test_pixels_under_a_mask_are_nan(tmp_path):
    path = save(tmp_path / "a.tif", np.full((3, 2, 2), 7, np.uint8))
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as file:
        file.write_mask(np.array([[True, False], [True, True]]))
    reader = RasterReader(path, bands=[2])
    np.testing.assert_array_equal(reader.read(whole(reader)), [[[7, np.nan], [7, 7]]])


@pytest.mark.parametrize("nodata", [300, 43.7])
def test_nodata_that_no_pixel_can_have_marks_none(tmp_path, nodata):
    save(tmp_path / "a.tif", np.array([[[44, 255]]], np.uint8))
    (tmp_path / "a.vrt").write_text(
        '<VRTDataset rasterXSize="2" rasterYSize="1"><VRTRasterBand dataType="Byte" band="1">'
        f"<NoDataValue>{nodata}</NoDataValue><SimpleSource>"
        '<SourceFilename relativeToVRT="1">a.tif</SourceFilename>'
        "<SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>"
    )
    reader = RasterReader(tmp_path / "a.vrt")
    (channel,) = reader.description.channels
    assert (channel.nodata, channel.masked) == (None, False)
    assert reader.read(whole(reader)).tolist() == [[[44, 255]]]


def test_several_pages_are_refused(tmp_path):
    page = Image.fromarray(np.zeros((4, 5), np.uint8))
    page.save(tmp_path / "a.tif", save_all=True, append_images=[page, page])
    with pytest.raises(
        ValueError,
        match=r"a.tif holds 3 images, and one is wanted: name it as GDAL does, such as GTIFF_DIR:",
    ):
        RasterReader(tmp_path / "a.tif")


def test_overviews_and_masks_are_no_pages(tmp_path):
    path = save(tmp_path / "a.tif", np.ones((1, 600, 600), np.uint8))
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as file:
        file.write_mask(np.ones((600, 600), bool))
        file.build_overviews([2, 4])
    assert RasterReader(path).read((slice(0, 600), slice(0, 600))).min() == 1


def test_complex_numbers_are_refused(tmp_path):
    path = save(tmp_path / "a.tif", np.zeros((1, 2, 2), np.complex64))
    with pytest.raises(ValueError, match="holds complex numbers: write their magnitude"):
        RasterReader(path)


def test_pickled_and_closed_readers_read_on(scene):
    reader = RasterReader(scene)
    expected = reader.read(whole(reader))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(reader)).read(whole(reader)), expected)
    reader.close()
    np.testing.assert_array_equal(reader.read(whole(reader)), expected)


def _read_in_child(reader, queue):
    queue.put(reader.read((slice(0, 40), slice(0, 57))))


@pytest.mark.skipif(sys.platform == "win32", reason="no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_reader_reads_for_itself(scene):
    reader = RasterReader(scene)
    expected = reader.read(whole(reader))
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_read_in_child, args=(reader, queue))
    child.start()
    same = queue.get(timeout=120)
    child.join()
    np.testing.assert_array_equal(same, expected)
    np.testing.assert_array_equal(reader.read(whole(reader)), expected)


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="no list of open files")
def test_opening_many_files_holds_none_open(scene):
    before = len(os.listdir("/proc/self/fd"))
    readers = [RasterReader(scene) for _ in range(20)]
    assert len(os.listdir("/proc/self/fd")) == before
    assert len(readers) == 20


def test_reading_warns_of_nothing(tmp_path, recwarn):
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "a.png")
    reader = RasterReader(tmp_path / "a.png")
    reader.read(whole(reader))
    assert not [warning for warning in recwarn if warning.category is NotGeoreferencedWarning]


def test_odd_names_are_files_too(scene, tmp_path, monkeypatch):
    for name in ["s3:x.tif", "GTIFF_RAW:x.tif", "a b.tif", "x=1.tif", "a[1],#?.tif", "é~.tif"]:
        monkeypatch.chdir(tmp_path)
        (tmp_path / name).write_bytes(scene.read_bytes())
        assert RasterReader(name).description.shape == (40, 57)


def test_real_sentinel_2_scene_equals_rasterio(shared_data):
    path = shared_data("satellite/s2_ftw_8band_10m_uint16_utm33.tif")
    reader = RasterReader(path, bands=[4, 1])
    with rasterio.open(path) as file:
        assert reader.description.shape == file.shape
        expected = file.read([4, 1]).astype(np.float32)
    np.testing.assert_array_equal(reader.read(whole(reader)), expected)
    assert reader.description.geometry.pixel_size == pytest.approx((10, 10))
