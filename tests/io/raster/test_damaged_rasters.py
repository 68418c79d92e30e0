"""Damaged rasters: each is an error, whatever the format and wherever the damage."""

import numpy as np
import pytest
from PIL import Image
from rasters import save, whole

from srlab.io.raster.reader import RasterReader

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
RNG = np.random.default_rng(0)


def noise_file(path, compression, interleave, tiled):
    pixels = RNG.integers(0, 250, (3, 150, 140), dtype=np.uint8)
    blocks = {"tiled": tiled, "blockxsize": 64, "blockysize": 64}
    return save(path, pixels, compress=compression, interleave=interleave, **blocks)


def noise(mode):
    pixels = RNG.integers(0, 256, (150, 140, 4), dtype=np.uint8)
    if mode == "I;16":
        return Image.fromarray(pixels[..., 0].astype(np.uint16) * 200)
    return Image.fromarray(pixels).convert(mode)


def truncate(path, fraction):
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * fraction)])
    return path


def read_in_blocks(path):
    reader = RasterReader(path)
    rows, columns = whole(reader)
    for row in range(0, rows.stop, 50):
        reader.read((slice(row, min(row + 50, rows.stop)), columns))


def read_at_once(path):
    reader = RasterReader(path)
    reader.read(whole(reader))


DAMAGE = "is not a raster that GDAL can read|cannot be read at rows .*: truncated or damaged"
FRACTIONS = (0.99, 0.5, 0.01)


@pytest.mark.parametrize(
    ("compression", "interleave", "tiled"),
    [
        ("none", "pixel", False),
        ("none", "band", True),
        ("deflate", "pixel", True),
        ("lzw", "band", False),
        ("jpeg", "pixel", True),
        ("packbits", "band", False),
    ],
)
def test_truncated_tiff_is_an_error(tmp_path, compression, interleave, tiled):
    for fraction in FRACTIONS:
        path = noise_file(tmp_path / "a.tif", compression, interleave, tiled)
        read_in_blocks(path)
        with pytest.raises(ValueError, match=DAMAGE):
            read_in_blocks(truncate(path, fraction))
        with pytest.raises(ValueError, match=DAMAGE):
            read_at_once(path)


@pytest.mark.parametrize(
    ("name", "mode", "options"),
    [
        ("a.png", "RGB", {}),
        ("a.png", "P", {}),
        ("a.jpg", "RGB", {}),
        ("a.jpg", "RGB", {"progressive": True}),
        ("a.jp2", "RGB", {}),
        ("a.tif", "RGB", {"compression": "tiff_lzw"}),
        ("a.webp", "RGB", {}),
        ("a.bmp", "RGB", {}),
        ("a.gif", "P", {}),
    ],
)
def test_truncated_picture_is_an_error(tmp_path, name, mode, options):
    noise(mode).save(tmp_path / name, **options)
    read_in_blocks(tmp_path / name)
    for fraction in FRACTIONS:
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


def test_missing_source_of_a_vrt_is_an_error(tmp_path):
    scene = save(tmp_path / "scene.tif", RNG.integers(0, 9000, (1, 40, 57), dtype=np.uint16))
    vrt = tmp_path / "a.vrt"
    vrt.write_text(
        '<VRTDataset rasterXSize="57" rasterYSize="40">'
        '<VRTRasterBand dataType="UInt16" band="1"><SimpleSource>'
        '<SourceFilename relativeToVRT="1">scene.tif</SourceFilename><SourceBand>1</SourceBand>'
        "</SimpleSource></VRTRasterBand></VRTDataset>"
    )
    read_at_once(vrt)
    scene.unlink()
    with pytest.raises(ValueError, match=r"scene.tif.*\. Check that the files it names are there"):
        read_in_blocks(vrt)
