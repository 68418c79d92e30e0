"""PNG and JPEG outputs, read back with PIL."""

import json
import os
import pickle
import re
from dataclasses import replace

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio._err import CPLE_AppDefinedError
from rasterio.enums import ColorInterp

from srlab.io import Provenance
from srlab.io.image.writer import ImageWriter
from srlab.io.raster.reader import RasterReader

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
RNG = np.random.default_rng(0)
MADE = Provenance(software="srlab 9.8", model="0a" * 32)


def picture(path, *, mode="RGB", shape=(6, 8), **options):
    pixels = RNG.integers(0, 256, (*shape, 4), dtype=np.uint8)
    Image.fromarray(pixels).convert(mode).save(path, **options)
    return RasterReader(path).description


def raster(path, *, count=1, shape=(6, 8), dtype="uint8", describe=lambda file: None, **profile):
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        count=count,
        height=shape[0],
        width=shape[1],
        dtype=dtype,
        **profile,
    ) as file:
        describe(file)
    return RasterReader(path).description


def write(path, description, array, made=MADE):
    writer = ImageWriter(path, description, provenance=made)
    writer.prepare()
    _, rows, columns = array.shape
    for row in range(0, rows, 70):
        for column in range(0, columns, 90):
            window = (slice(row, min(row + 70, rows)), slice(column, min(column + 90, columns)))
            writer.write(window, array[:, window[0], window[1]])
    pickle.loads(pickle.dumps(writer)).finish()
    return Image.open(path)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA"])
def test_png_keeps_every_pixel(tmp_path, mode):
    like = picture(tmp_path / "a.png", mode=mode, shape=(100, 300))
    array = RNG.integers(0, 256, (len(mode), 200, 900)).astype(np.float32)
    out = write(tmp_path / "out.png", like.scaled((2, 3)), array)
    assert out.mode == mode
    np.testing.assert_array_equal(np.asarray(out).reshape(200, 900, -1).transpose(2, 0, 1), array)
    assert sorted(os.listdir(tmp_path)) == ["a.png", "out.png"]


def test_png_keeps_16_bits(tmp_path):
    Image.fromarray(np.zeros((6, 8), np.uint16)).save(tmp_path / "a.png")
    array = RNG.integers(0, 65536, (1, 6, 8)).astype(np.float32)
    out = write(tmp_path / "out.png", RasterReader(tmp_path / "a.png").description, array)
    np.testing.assert_array_equal(np.asarray(out), array[0])


def test_type_can_be_chosen(tmp_path):
    like = raster(tmp_path / "a.tif", dtype="float32").with_dtype("uint8")
    out = write(tmp_path / "out.png", like, np.full((1, 6, 8), 300, np.float32))
    assert (np.asarray(out) == 255).all()


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_jpeg_is_close(tmp_path, mode):
    like = picture(tmp_path / "a.png", mode=mode, shape=(100, 200))
    ramp = np.linspace(0, 255, 200, dtype=np.float32)
    array = np.broadcast_to(ramp, (len(mode), 100, 200))
    out = write(tmp_path / "out.JPG", like, array)
    assert out.format == "JPEG"
    assert out.mode == mode
    np.testing.assert_allclose(
        np.asarray(out).reshape(100, 200, -1).transpose(2, 0, 1), array, atol=3
    )
    assert sorted(os.listdir(tmp_path)) == ["a.png", "out.JPG"]


def test_provenance_is_in_the_file(tmp_path):
    like = picture(tmp_path / "a.png")
    array = np.zeros((3, 6, 8), np.float32)
    text = write(tmp_path / "out.png", like, array).text
    assert (text["Software"], text["MODEL_SHA256"], text["Description"]) == (
        "srlab 9.8",
        "0a" * 32,
        "super-resolved",
    )
    exif = write(tmp_path / "out.jpg", like, array).getexif()
    assert exif[0x0131] == "srlab 9.8"
    assert exif[0x010E] == f"super-resolved, model SHA-256 {'0a' * 32}"


def test_settings_are_in_the_file(tmp_path):
    made = replace(MADE, settings={"tile": [256, 256], "noise_seed": None})
    like, array = picture(tmp_path / "a.png"), np.zeros((3, 6, 8), np.float32)
    text = write(tmp_path / "out.png", like, array, made).text
    assert json.loads(text["SETTINGS"]) == {"tile": [256, 256], "noise_seed": None}
    exif = write(tmp_path / "out.jpg", like, array, made).getexif()
    assert exif[0x010E].endswith(f", settings {text['SETTINGS']}")


def test_place_on_the_earth_leaves_no_second_file(tmp_path):
    like = raster(
        tmp_path / "a.tif",
        count=3,
        crs="EPSG:32633",
        transform=rasterio.Affine(10, 0, 5e5, 0, -10, 5e6),
    )
    for name in ("out.png", "out.jpg"):
        write(tmp_path / name, like, np.zeros((3, 6, 8), np.float32))
    assert sorted(os.listdir(tmp_path)) == ["a.tif", "out.jpg", "out.png"]


@pytest.mark.parametrize("count", [1, 3])
def test_nodata_is_transparent_in_a_png(tmp_path, count):
    like = raster(tmp_path / "a.tif", count=count, nodata=0)
    array = np.zeros((count, 6, 8), np.float32)
    array[:, 2, 3] = np.nan
    alpha = np.asarray(write(tmp_path / "out.png", like, array).convert("RGBA"))[..., 3]
    np.testing.assert_array_equal(alpha == 0, np.isnan(array[0]))
    back = RasterReader(tmp_path / "out.png").read((slice(0, 6), slice(0, 8)))
    np.testing.assert_array_equal(np.isnan(back), np.isnan(array))


def masked(path, count=1):
    raster(path, count=count)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as file:
        file.write_mask(np.eye(6, 8, dtype=bool))
    return RasterReader(path).description


@pytest.mark.parametrize(("dtype", "opaque"), [("uint8", 255), ("uint16", 65535)])
def test_a_mask_is_the_alpha_band_of_a_png(tmp_path, dtype, opaque):
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        like = raster(
            tmp_path / "a.tif", count=3, dtype=dtype, photometric="RGB",
            describe=lambda file: file.write_mask(np.eye(6, 8, dtype=bool)),
        )  # fmt: skip
    array = RNG.integers(0, 200, (3, 6, 8)).astype(np.float32)
    array[1, 2, 3] = array[:, 5, 7] = np.nan
    write(tmp_path / "out.png", like, array)
    with rasterio.open(tmp_path / "out.png") as file:
        assert file.colorinterp[3] == ColorInterp.alpha
        *colours, alpha = file.read()
    hidden = np.isnan(array).any(axis=0)
    np.testing.assert_array_equal(alpha, np.where(hidden, 0, opaque))
    np.testing.assert_array_equal(colours, np.where(hidden, 0, array))


def scaled(file):
    file.scales = (0.1,)


def with_nir(file):
    file.colorinterp = (ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.undefined)


def test_what_the_format_cannot_hold_is_refused_at_once(tmp_path):
    cases = [
        (
            "o.jpg",
            lambda path: raster(path, dtype="uint16"),
            "values are uint16, and JPEG holds uint8",
        ),
        (
            "o.png",
            lambda path: raster(path, dtype="float32"),
            "values are float32, and PNG holds uint8 or uint16",
        ),
        (
            "o.png",
            lambda path: raster(path, count=8),
            "there are 8 bands (1, 2, 3, 4, 5, 6, 7, 8), and PNG holds 1, 2, 3, 4; the last of 2",
        ),
        (
            "o.png",
            lambda path: raster(path, count=4, describe=with_nir),
            "there are 4 bands (R, G, B, 4), and PNG",
        ),
        (
            "o.jpeg",
            lambda path: raster(path, count=2),
            "there are 2 bands (1, 2), and JPEG holds 1, 3.",
        ),
        (
            "o.png",
            lambda path: raster(path, describe=scaled),
            "values have a scale and an offset, and PNG holds",
        ),
        (
            "o.png",
            lambda path: masked(path, count=2),
            "there are 3 bands (1, 2, A), and PNG holds 1, 2, 3, 4; the last of 2 or 4 must be",
        ),
        ("o.jpg", masked, "pixels are marked empty by a mask, and JPEG holds none"),
        (
            "o.jpg",
            lambda path: raster(path, shape=(1, 16376), sparse_ok=True),
            "there are 4 x 65504 pixels, and JPEG holds 65500 along an axis",
        ),
        (
            "o.jpg",
            lambda path: raster(path, shape=(4097, 4097), sparse_ok=True),
            "there are 16388 x 16388 pixels, and for JPEG memory stays bounded up to 268435456",
        ),
    ]
    for name, make, problem in cases:
        like = make(tmp_path / "a.tif")
        with pytest.raises(ValueError, match=re.escape(problem)) as caught:
            ImageWriter(tmp_path / name, like.scaled((4, 4)), provenance=MADE)
        assert str(caught.value).endswith("Write a .tif.")
        assert os.listdir(tmp_path) == ["a.tif"]


def test_the_name_appears_when_the_file_is_whole(tmp_path):
    like = picture(tmp_path / "a.png")
    (tmp_path / "out.png").write_bytes(b"old")
    writer = ImageWriter(tmp_path / "out.png", like, provenance=MADE)
    writer.prepare()
    writer.write((slice(0, 6), slice(0, 8)), np.zeros((3, 6, 8), np.float32))
    assert (tmp_path / "out.png").read_bytes() == b"old"
    writer.finish()
    assert Image.open(tmp_path / "out.png").size == (8, 6)
    assert sorted(os.listdir(tmp_path)) == ["a.png", "out.png"]
    writer.prepare()
    writer.discard()
    writer.discard()
    assert sorted(os.listdir(tmp_path)) == ["a.png", "out.png"]


@pytest.mark.parametrize("error", [CPLE_AppDefinedError(3, 1, "out of disk space"), None])
def test_an_encoding_that_fails_leaves_the_blocks_alone(tmp_path, monkeypatch, error):
    def copy(blocks, partial, **options):
        partial.write_bytes(b"a part of the picture")
        if error:
            raise error

    monkeypatch.setattr("rasterio.shutil.copy", copy)
    like = picture(tmp_path / "a.png")
    with pytest.raises(OSError, match=r"out.jpg cannot be written: is the disk full"):
        write(tmp_path / "out.jpg", like, np.zeros((3, 6, 8), np.float32))
    assert sorted(os.listdir(tmp_path)) == ["a.png", "out.jpg.partial"]


def test_leftovers_of_a_crash_do_no_harm(tmp_path):
    for name in ("png", "jpg"):
        for end in (".tif", ".picture"):
            (tmp_path / f".out.{name}.partial{end}").write_bytes(b"II*\0 broken")
        out = write(tmp_path / f"out.{name}", picture(tmp_path / "a.png"), np.full((3, 6, 8), 9.0))
        assert (np.asarray(out) == 9).all()
    assert sorted(os.listdir(tmp_path)) == ["a.png", "out.jpg", "out.png"]
