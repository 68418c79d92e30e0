"""Pictures that `RasterReader` reads, against PIL."""

import numpy as np
import pytest
import rasterio
from PIL import Image, ImageOps
from rasterio.enums import ColorInterp
from rasters import save, whole

from srlab.io.raster.reader import RasterReader

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("mode", "names"),
    [("L", "Y"), ("RGB", "RGB"), ("RGBA", "RGBA"), ("LA", "YA")],
)
def test_picture_bands_are_named_by_colour(tmp_path, mode, names):
    pixels = RNG.integers(0, 256, (5, 6, 4), dtype=np.uint8)
    picture = Image.fromarray(pixels).convert(mode)
    picture.save(tmp_path / "a.png")
    reader = RasterReader(tmp_path / "a.png")
    assert reader.description.names == tuple(names)
    expected = np.asarray(picture).reshape(5, 6, -1).transpose(2, 0, 1)
    np.testing.assert_array_equal(reader.read(whole(reader)), expected)
    assert RasterReader(tmp_path / "a.png", bands=[names[-1].lower()]).description.names == (
        names[-1],
    )


def test_colours_name_geotiff_bands_but_grey_does_not(tmp_path):
    colours = (ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.undefined)
    path = save(
        tmp_path / "a.tif",
        np.zeros((4, 2, 2), np.uint16),
        photometric="RGB",
        stored_as={"colorinterp": colours},
    )
    assert RasterReader(path).description.names == ("R", "G", "B", "4")
    assert RasterReader(
        save(tmp_path / "b.tif", np.zeros((1, 2, 2), np.uint16))
    ).description.names == ("1",)


def test_png_of_16_bits_keeps_them(tmp_path):
    pixels = RNG.integers(0, 65536, (5, 6), dtype=np.uint16)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    reader = RasterReader(tmp_path / "a.png")
    assert reader.description.dtype == np.uint16
    np.testing.assert_array_equal(reader.read(whole(reader))[0], pixels)


@pytest.mark.parametrize(("mode", "options"), [("RGB", {}), ("RGBA", {"transparency": 3})])
@pytest.mark.parametrize("name", ["a.png", "a.gif"])
def test_palette_is_expanded_as_pil_does(tmp_path, name, mode, options):
    picture = Image.fromarray(RNG.integers(0, 256, (9, 8, 3), dtype=np.uint8)).quantize(8)
    picture.save(tmp_path / name, **options)
    reader = RasterReader(tmp_path / name)
    expected = np.asarray(Image.open(tmp_path / name).convert(mode)).transpose(2, 0, 1)
    assert reader.description.names == tuple(mode)
    np.testing.assert_array_equal(reader.read(whole(reader)), expected)
    window = (slice(2, 5), slice(1, 7))
    only_blue = RasterReader(tmp_path / name, bands=["B"]).read(window)
    blue, *alpha = expected[2:, 2:5, 1:7].astype(np.float32)
    for opacity in alpha:  # which is not chosen here, and so a mask
        blue[opacity == 0] = np.nan
    np.testing.assert_array_equal(only_blue[0], blue)


def rgba(seed=0, *, shape=(6, 7), top=255):
    """Pixels ``(H, W, 4)`` of which some are opaque, some transparent and some between."""
    random = np.random.default_rng(seed)
    pixels = random.integers(1, top, (*shape, 4)).astype(np.uint8 if top < 256 else np.uint16)
    pixels[..., 3] = random.choice([0, 1, top // 2, top], shape)
    return pixels


def geotiff(path, pixels, **profile):
    save(path, np.moveaxis(pixels, -1, 0), **profile)
    return path


def picture(path, pixels, **options):
    Image.fromarray(pixels).save(path, **options)
    return path


SEEN = [
    ("a.png", lambda path: picture(path, rgba())),
    ("a.webp", lambda path: picture(path, rgba(), lossless=True, exact=True)),
    ("a.tif", lambda path: geotiff(path, rgba(), photometric="RGB", alpha="yes")),
    ("b.tif", lambda path: geotiff(path, rgba(top=65535), photometric="RGB", alpha="yes")),
    ("grey.png", lambda path: picture(path, np.ascontiguousarray(rgba()[..., 2:]))),
]


@pytest.mark.parametrize(("name", "make"), SEEN, ids=[name for name, _ in SEEN])
def test_only_what_is_wholly_transparent_is_missing(tmp_path, name, make):
    path = make(tmp_path / name)
    with rasterio.open(path) as file:
        *colours, alpha = file.read()
        count = file.count - 1
    reader = RasterReader(path, bands=list(range(1, count + 1)))
    expected = np.where(alpha == 0, np.nan, np.float32(colours))
    np.testing.assert_array_equal(reader.read(whole(reader)), expected)
    assert 0 < (alpha == 0).mean() < 0.5
    assert all(channel.masked for channel in reader.description.channels)
    window = (slice(1, 4), slice(2, 6))
    one = RasterReader(path, bands=[count]).read(window)
    np.testing.assert_array_equal(one, expected[-1:, 1:4, 2:6])


def test_transparent_entries_of_a_palette_are_missing(tmp_path):
    image = Image.fromarray(rgba()[..., :3]).quantize(6)
    image.save(tmp_path / "a.png", transparency=bytes([255, 0, 7, 255, 0, 255]))
    expected = np.float32(Image.open(tmp_path / "a.png").convert("RGBA")).transpose(2, 0, 1)
    reader = RasterReader(tmp_path / "a.png", bands=["G", "R"])
    hidden = expected[3] == 0
    assert hidden.any()
    np.testing.assert_array_equal(
        reader.read(whole(reader)), np.where(hidden, np.nan, expected[[1, 0]])
    )


def test_a_chosen_alpha_band_is_data(tmp_path):
    path = geotiff(tmp_path / "nir.tif", rgba(), photometric="RGB", alpha="yes")
    reader = RasterReader(path, bands=[1, 4])
    np.testing.assert_array_equal(
        reader.read(whole(reader)), rgba()[..., [0, 3]].transpose(2, 0, 1)
    )
    assert not any(channel.masked for channel in reader.description.channels)


def test_nodata_of_a_palette_is_transparent(tmp_path):
    save(tmp_path / "a.tif", np.array([[[0, 1, 2]]], np.uint8))
    entries = "".join(f'<Entry c1="{i}" c2="{i + 1}" c3="{i + 2}" c4="255"/>' for i in (1, 4, 7))
    (tmp_path / "a.vrt").write_text(
        '<VRTDataset rasterXSize="3" rasterYSize="1"><VRTRasterBand dataType="Byte" band="1">'
        f"<NoDataValue>2</NoDataValue><ColorInterp>Palette</ColorInterp>"
        f"<ColorTable>{entries}</ColorTable><SimpleSource>"
        '<SourceFilename relativeToVRT="1">a.tif</SourceFilename><SourceBand>1</SourceBand>'
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


def test_camera_pictures_come_out_upright(tmp_path):
    for orientation in range(1, 9):
        blocks = np.kron(RNG.integers(0, 256, (3, 5), dtype=np.uint8), np.ones((8, 8), np.uint8))
        exif = Image.Exif()
        exif[0x0112] = orientation
        Image.fromarray(blocks).save(tmp_path / "a.jpg", exif=exif, quality=100)
        reader = RasterReader(tmp_path / "a.jpg")
        upright = np.asarray(ImageOps.exif_transpose(Image.open(tmp_path / "a.jpg")), np.float32)
        assert reader.description.shape == upright.shape
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
    upright = RasterReader(tmp_path / "a.jpg").description.geometry.transform
    # stored (column, row) of upright (0, 0), its top left, is the bottom left (0, 24)
    assert upright @ (0, 0) == pytest.approx((100, 500 - 2 * 24))
    assert upright @ (24, 0) == pytest.approx((100, 500))
    assert upright @ (24, 40) == pytest.approx((100 + 2 * 40, 500))
