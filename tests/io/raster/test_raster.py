"""What `RasterReader` reads, against rasterio, PIL and arithmetic."""

import multiprocessing
import os
import pickle
import re
import subprocess
import sys

import numpy as np
import pytest
import rasterio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning

from srlab.io.raster.reader import RasterReader

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
RNG = np.random.default_rng(0)


def save(path, array, **profile):
    tags = profile.pop("tags", {})
    names = profile.pop("names", None)
    stored_as = {
        key: profile.pop(key) for key in ("scales", "offsets", "colorinterp") if key in profile
    }
    count, height, width = array.shape
    path.unlink(missing_ok=True)
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        count=count,
        height=height,
        width=width,
        dtype=array.dtype,
        **profile,
    ) as file:
        for key, value in stored_as.items():
            setattr(file, key, value)
        if names:
            file.descriptions = names
        if tags:
            file.update_tags(**tags)
        file.write(array)
    return path


def whole(reader):
    return tuple(slice(0, size) for size in reader.shape)


@pytest.fixture
def scene(tmp_path):
    return save(
        tmp_path / "scene.tif",
        RNG.integers(0, 10_000, (3, 40, 57), dtype=np.uint16),
        names=("B02", "B03", None),
        tiled=True,
        blockxsize=16,
        blockysize=16,
    )


@given(data=st.data())
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None
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
    assert reader.shape == (40, 57)
    assert reader.channels == ("B02", "B03", "3")
    assert reader.dtype == np.uint16
    assert str(reader) == str(scene)


def test_bands_by_number_and_name_in_the_order_asked(scene):
    reader = RasterReader(scene, bands=[3, "b02"])
    assert reader.channels == ("3", "B02")
    with rasterio.open(scene) as file:
        np.testing.assert_array_equal(reader.read(whole(reader)), file.read([3, 1]))


@pytest.mark.parametrize(
    ("bands", "message"),
    [
        ([4], "has no band 4: its bands are 1 to 3, named B02, B03, 3."),
        ([0], "has no band 0"),
        (["nir"], "no band named 'nir': choose from B02, B03, 3, or by number"),
        ("B02", "bands is 'B02'; give a list"),
        ([], "bands is []; give a list"),
    ],
)
def test_wrong_bands_are_refused(scene, bands, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        RasterReader(scene, bands=bands)


def test_a_name_in_two_bands_is_refused_unless_the_case_tells(tmp_path):
    path = save(tmp_path / "a.tif", np.zeros((3, 2, 2), np.uint8), names=("red", "RED", "red"))
    assert RasterReader(path, bands=["RED"]).channels == ("RED",)
    with pytest.raises(ValueError, match="several bands named 'red'"):
        RasterReader(path, bands=["red"])


@pytest.mark.parametrize(
    "window",
    [
        (slice(0, 41), slice(0, 5)),
        (slice(-1, 4), slice(0, 5)),
        (slice(3, 3), slice(0, 5)),
        (slice(0, 4, 2), slice(0, 5)),
        (slice(0, 4),),
        (slice(None, 4), slice(0, 5)),
    ],
)
def test_window_outside_the_image_is_refused(scene, window):
    with pytest.raises(ValueError, match="does not lie inside an image of 40 x 57 pixels"):
        RasterReader(scene).read(window)


def test_scale_offset_and_nodata_give_physical_values(tmp_path):
    stored = np.array([[[0, 1, 1000, 65535]], [[0, 1, 1000, 65535]]], np.uint16)
    path = save(tmp_path / "a.tif", stored, nodata=0, scales=(1e-4, 1.0), offsets=(-0.1, 5.0))
    reader = RasterReader(path)
    expected = [[[np.nan, -0.0999, 0.0, 6.4535]], [[np.nan, 6, 1005, 65540]]]
    np.testing.assert_allclose(reader.read(whole(reader)), expected, rtol=1e-6, atol=1e-9)


def test_scaling_is_exact_beyond_float32(tmp_path):
    path = save(tmp_path / "a.tif", np.array([[[2**24 + 1]]], np.int32), offsets=(-float(2**24),))
    assert RasterReader(path).read((slice(0, 1), slice(0, 1))).item() == 1


def test_nan_and_nodata_of_float_files_are_nan(tmp_path):
    stored = np.array([[[np.nan, -9999, 0, 1.5]]], np.float32)
    reader = RasterReader(save(tmp_path / "a.tif", stored, nodata=-9999))
    np.testing.assert_array_equal(reader.read(whole(reader)), [[[np.nan, np.nan, 0, 1.5]]])


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
        f'<NoDataValue>{nodata}</NoDataValue><SimpleSource><SourceFilename relativeToVRT="1">a.tif</SourceFilename>'
        "<SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>"
    )
    reader = RasterReader(tmp_path / "a.vrt")
    assert (reader.bands[0].nodata, reader.has_mask) == (None, False)
    assert reader.read(whole(reader)).tolist() == [[[44, 255]]]


def test_several_pages_are_refused(tmp_path):
    page = Image.fromarray(np.zeros((4, 5), np.uint8))
    page.save(tmp_path / "a.tif", save_all=True, append_images=[page, page])
    with pytest.raises(
        ValueError,
        match=r"a.tif holds 3 images, and one is wanted: extract it, as by gdal_translate",
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


@pytest.mark.parametrize(
    ("mode", "names"),
    [("L", "Y"), ("RGB", "RGB"), ("RGBA", "RGBA"), ("LA", "YA")],
)
def test_picture_bands_are_named_by_colour(tmp_path, mode, names):
    pixels = RNG.integers(0, 256, (5, 6, 4), dtype=np.uint8)
    picture = Image.fromarray(pixels).convert(mode)
    picture.save(tmp_path / "a.png")
    reader = RasterReader(tmp_path / "a.png")
    assert reader.channels == tuple(names)
    expected = np.asarray(picture).reshape(5, 6, -1).transpose(2, 0, 1)
    np.testing.assert_array_equal(reader.read(whole(reader)), expected)
    assert RasterReader(tmp_path / "a.png", bands=[names[-1].lower()]).channels == (names[-1],)


def test_colours_name_geotiff_bands_but_grey_does_not(tmp_path):
    colours = (ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.undefined)
    path = save(
        tmp_path / "a.tif", np.zeros((4, 2, 2), np.uint16), photometric="RGB", colorinterp=colours
    )
    assert RasterReader(path).channels == ("R", "G", "B", "4")
    assert RasterReader(save(tmp_path / "b.tif", np.zeros((1, 2, 2), np.uint16))).channels == ("1",)


def test_png_of_16_bits_keeps_them(tmp_path):
    pixels = RNG.integers(0, 65536, (5, 6), dtype=np.uint16)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    reader = RasterReader(tmp_path / "a.png")
    assert reader.dtype == np.uint16
    np.testing.assert_array_equal(reader.read(whole(reader))[0], pixels)


@pytest.mark.parametrize("transparency", [None, 3])
@pytest.mark.parametrize("name", ["a.png", "a.gif"])
def test_palette_is_expanded_as_pil_does(tmp_path, name, transparency):
    options = {} if transparency is None else {"transparency": transparency}
    picture = Image.fromarray(RNG.integers(0, 256, (9, 8, 3), dtype=np.uint8)).quantize(8)
    picture.save(tmp_path / name, **options)
    reader = RasterReader(tmp_path / name)
    mode = "RGB" if transparency is None else "RGBA"
    expected = np.asarray(Image.open(tmp_path / name).convert(mode)).transpose(2, 0, 1)
    assert reader.channels == tuple(mode)
    np.testing.assert_array_equal(reader.read(whole(reader)), expected)
    window = (slice(2, 5), slice(1, 7))
    only_blue = RasterReader(tmp_path / name, bands=["B"]).read(window)
    np.testing.assert_array_equal(only_blue, expected[2:3, 2:5, 1:7])


def test_nodata_of_a_palette_is_transparent(tmp_path):
    save(tmp_path / "a.tif", np.array([[[0, 1, 2]]], np.uint8))
    entries = "".join(f'<Entry c1="{i}" c2="{i + 1}" c3="{i + 2}" c4="255"/>' for i in (1, 4, 7))
    (tmp_path / "a.vrt").write_text(
        '<VRTDataset rasterXSize="3" rasterYSize="1"><VRTRasterBand dataType="Byte" band="1">'
        f"<NoDataValue>2</NoDataValue><ColorInterp>Palette</ColorInterp><ColorTable>{entries}</ColorTable>"
        '<SimpleSource><SourceFilename relativeToVRT="1">a.tif</SourceFilename><SourceBand>1</SourceBand>'
        "</SimpleSource></VRTRasterBand></VRTDataset>"
    )
    reader = RasterReader(tmp_path / "a.vrt")
    expected = [[1, 4, 7], [2, 5, 8], [3, 6, 9], [255, 255, 0]]
    np.testing.assert_array_equal(reader.read(whole(reader))[:, 0], expected)


def test_greys_of_one_bit_span_black_to_white(tmp_path):
    pixels = RNG.integers(0, 2, (5, 6)).astype(bool)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    reader = RasterReader(tmp_path / "a.png")
    np.testing.assert_array_equal(reader.read(whole(reader))[0], pixels * 255.0)


def transparent_colour(tmp_path):
    pixels = np.array([[[1, 2, 3], [1, 2, 4]]], np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png", transparency=(1, 2, 3))
    return RasterReader(tmp_path / "a.png")


def test_only_the_whole_transparent_colour_is_missing(tmp_path):
    reader = transparent_colour(tmp_path)
    nan = np.nan
    np.testing.assert_array_equal(reader.read(whole(reader))[:, 0], [[nan, 1], [nan, 2], [nan, 4]])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_camera_pictures_come_out_upright(tmp_path, orientation):
    blocks = np.kron(RNG.integers(0, 256, (3, 5), dtype=np.uint8), np.ones((8, 8), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(blocks).save(tmp_path / "a.jpg", exif=exif, quality=100)
    reader = RasterReader(tmp_path / "a.jpg")
    upright = np.asarray(ImageOps.exif_transpose(Image.open(tmp_path / "a.jpg")), np.float32)
    assert reader.shape == upright.shape
    # decoders differ by a grey level
    np.testing.assert_allclose(reader.read(whole(reader))[0], upright, atol=2)
    np.testing.assert_allclose(
        reader.read((slice(3, 20), slice(1, 13)))[0], upright[3:20, 1:13], atol=2
    )


def test_turned_picture_with_a_world_file_keeps_its_place(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the first row stored is the right column upright
    Image.fromarray(np.zeros((24, 40), np.uint8)).save(tmp_path / "a.jpg", exif=exif)
    (tmp_path / "a.jgw").write_text(
        "2\n0\n0\n-2\n101\n499\n"
    )  # pixels of 2, the first corner at (100, 500)
    upright = RasterReader(tmp_path / "a.jpg").geometry.transform
    # stored (column, row) of upright (0, 0), its top left, is the bottom left (0, 24)
    assert upright @ (0, 0) == pytest.approx((100, 500 - 2 * 24))
    assert upright @ (24, 0) == pytest.approx((100, 500))
    assert upright @ (24, 40) == pytest.approx((100 + 2 * 40, 500))


def test_pickled_and_closed_readers_read_on(scene):
    reader = RasterReader(scene)
    expected = reader.read(whole(reader))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(reader)).read(whole(reader)), expected)
    reader.close()
    np.testing.assert_array_equal(reader.read(whole(reader)), expected)


def _handle_in_child(reader, queue):
    same = reader.read((slice(0, 40), slice(0, 57)))
    queue.put((same, reader._handle[0] == os.getpid()))


@pytest.mark.skipif(sys.platform == "win32", reason="no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_reader_opens_its_own_file(scene):
    reader = RasterReader(scene)
    expected = reader.read(whole(reader))
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_handle_in_child, args=(reader, queue))
    child.start()
    same, own = queue.get(timeout=20)
    child.join()
    assert own
    np.testing.assert_array_equal(same, expected)
    np.testing.assert_array_equal(reader.read(whole(reader)), expected)


def test_opening_many_files_holds_none_open(scene):
    before = (
        len(os.listdir("/proc/self/fd"))
        if os.path.exists("/proc/self/fd")
        else pytest.skip("no /proc")
    )
    readers = [RasterReader(scene) for _ in range(20)]
    assert len(os.listdir("/proc/self/fd")) == before
    assert len(readers) == 20


def test_reading_warns_of_nothing(tmp_path, recwarn):
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "a.png")
    reader = RasterReader(tmp_path / "a.png")
    reader.read(whole(reader))
    assert not [warning for warning in recwarn if warning.category is NotGeoreferencedWarning]


@pytest.mark.parametrize(
    "name", ["s3:x.tif", "GTIFF_RAW:x.tif", "a b.tif", "x=1.tif", "a[1],#?.tif", "é~.tif"]
)
def test_odd_names_are_files_too(scene, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_bytes(scene.read_bytes())
    assert RasterReader(name).shape == (40, 57)


def test_memory_stays_flat_over_a_large_scene(tmp_path):
    """Reads 800 MB of a sparse scene in a fresh process, under a cache of GDAL's own choice."""
    path = tmp_path / "large.tif"
    profile = {"driver": "GTiff", "width": 20_000, "height": 20_000, "count": 1, "dtype": "uint16"}
    with rasterio.open(path, "w", **profile, tiled=True, compress="deflate", sparse_ok=True):
        pass
    code = (
        "import sys, resource\n"
        "from srlab.io.raster.reader import RasterReader\n"
        "reader = RasterReader(sys.argv[1])\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024\n"
        "reader.read((slice(0, 1000), slice(0, 1000)))\n"
        "before = peak()\n"
        "for row in range(0, 20000, 1000):\n"
        "    for column in range(0, 20000, 1000):\n"
        "        reader.read((slice(row, row + 1000), slice(column, column + 1000)))\n"
        "print(peak() - before)\n"
    )
    environment = {key: value for key, value in os.environ.items() if key != "GDAL_CACHEMAX"}
    run = subprocess.run(
        [sys.executable, "-c", code, path],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    assert float(run.stdout) < 320, "MB; the cache may hold 256"


# damage


def noise_file(path, compression, interleave, tiled):
    pixels = RNG.integers(0, 250, (3, 300, 280), dtype=np.uint8)
    blocks = {"tiled": True, "blockxsize": 64, "blockysize": 64} if tiled else {}
    return save(path, pixels, compress=compression, interleave=interleave, **blocks)


def truncate(path, fraction):
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * fraction)])
    return path


def read_in_blocks(path):
    reader = RasterReader(path)
    for row in range(0, reader.shape[0], 50):
        reader.read((slice(row, min(row + 50, reader.shape[0])), slice(0, reader.shape[1])))


def read_at_once(path):
    reader = RasterReader(path)
    reader.read(whole(reader))


DAMAGE = "is not a raster that GDAL can read|cannot be read at rows .*: truncated or damaged"
FRACTIONS = (0.01, 0.2, 0.5, 0.9, 0.99)


@pytest.mark.parametrize("tiled", [False, True])
@pytest.mark.parametrize("interleave", ["pixel", "band"])
@pytest.mark.parametrize("compression", ["none", "deflate", "lzw", "jpeg", "packbits"])
def test_truncated_tiff_is_an_error(tmp_path, compression, interleave, tiled):
    for fraction in FRACTIONS:
        path = noise_file(tmp_path / "a.tif", compression, interleave, tiled)
        read_in_blocks(path)
        with pytest.raises(ValueError, match=DAMAGE):
            read_in_blocks(truncate(path, fraction))
        with pytest.raises(ValueError, match=DAMAGE):
            read_at_once(path)


@pytest.mark.parametrize("fraction", FRACTIONS)
@pytest.mark.parametrize(
    ("name", "mode", "options"),
    [
        ("a.png", "L", {}),
        ("a.png", "RGB", {}),
        ("a.png", "RGBA", {}),
        ("a.png", "P", {}),
        ("a.png", "I;16", {}),
        ("a.jpg", "L", {}),
        ("a.jpg", "RGB", {}),
        ("a.jpg", "RGB", {"progressive": True}),
        ("a.jp2", "RGB", {}),
        ("a.tif", "RGB", {}),
        ("a.tif", "RGB", {"compression": "tiff_lzw"}),
        ("a.webp", "RGB", {}),
        ("a.bmp", "RGB", {}),
        ("a.gif", "P", {}),
    ],
)
def test_truncated_picture_is_an_error(tmp_path, name, mode, options, fraction):
    pixels = RNG.integers(0, 256, (300, 280, 4), dtype=np.uint8)
    picture = Image.fromarray(pixels).convert("L" if mode == "I;16" else mode)
    if mode == "I;16":
        picture = Image.fromarray(pixels[..., 0].astype(np.uint16) * 200)
    picture.save(tmp_path / name, **options)
    read_in_blocks(tmp_path / name)
    truncate(tmp_path / name, fraction)
    for read in (read_in_blocks, read_at_once):  # GDAL takes another path for the whole image
        with pytest.raises(ValueError, match=DAMAGE):
            read(tmp_path / name)


def test_damage_inside_a_jpeg_is_an_error(tmp_path):
    Image.fromarray(RNG.integers(0, 256, (64, 64), dtype=np.uint8)).save(tmp_path / "a.jpg")
    content = bytearray((tmp_path / "a.jpg").read_bytes())
    middle = len(content) // 2
    content[middle : middle + 4] = b"\xff\xd3\xff\xd3"  # restart markers where there are none
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(ValueError, match=DAMAGE):
        read_at_once(tmp_path / "a.jpg")


def test_what_gdal_says_is_told_in_one_line(tmp_path):
    path = noise_file(tmp_path / "a.tif", "deflate", "pixel", True)
    reader = RasterReader(truncate(path, 0.5))
    with pytest.raises(ValueError, match="truncated or damaged") as caught:
        reader.read(whole(reader))
    assert "\n" not in str(caught.value)
    assert "See previous exception" not in str(caught.value)


def test_missing_source_of_a_vrt_is_an_error(scene, tmp_path):
    vrt = tmp_path / "a.vrt"
    vrt.write_text(
        '<VRTDataset rasterXSize="57" rasterYSize="40"><VRTRasterBand dataType="UInt16" band="1"><SimpleSource>'
        '<SourceFilename relativeToVRT="1">scene.tif</SourceFilename><SourceBand>1</SourceBand>'
        "</SimpleSource></VRTRasterBand></VRTDataset>"
    )
    with rasterio.open(scene) as file:
        np.testing.assert_array_equal(
            RasterReader(vrt).read((slice(0, 40), slice(0, 57))), file.read([1])
        )
    scene.unlink()
    with pytest.raises(ValueError, match=DAMAGE):
        read_in_blocks(vrt)


def test_real_sentinel_2_scene_equals_rasterio(shared_data):
    path = shared_data("satellite/s2_ftw_8band_10m_uint16_utm33.tif")
    reader = RasterReader(path, bands=[4, 1])
    with rasterio.open(path) as file:
        assert reader.shape == file.shape
        expected = file.read([4, 1]).astype(np.float32)
    np.testing.assert_array_equal(reader.read(whole(reader)), expected)
    assert reader.geometry.pixel_size == pytest.approx((10, 10))
