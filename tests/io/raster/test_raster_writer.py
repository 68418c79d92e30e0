"""GeoTIFFs that `GeoTiffWriter` leaves on the disk, read back with rasterio."""

import os
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.rpc import RPC
from rasters import MADE, begun, source, values, write

from srlab.io import Axis, Channel, Description, create_writer
from srlab.io.raster.reader import RasterReader
from srlab.io.raster.writer import GeoTiffWriter
from srlab.mistakes import Mistake

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
RNG = np.random.default_rng(0)
ROTATED = Affine.translation(5e5, 5e6) @ Affine.rotation(30) @ Affine.scale(10, -20)


@pytest.mark.parametrize(
    "dtype",
    [
        "uint8",
        "int8",
        "uint16",
        "int16",
        "uint32",
        "int32",
        "uint64",
        "int64",
        "float32",
        "float64",
    ],
)
@given(data=st.data())
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=4, deadline=None
)
def test_round_trip_of_every_type(tmp_path, dtype, data):
    like = source(tmp_path / f"{dtype}.tif", count=2, dtype=dtype)
    if np.dtype(dtype).kind == "f":
        elements = st.floats(width=32, allow_nan=False, allow_infinity=False)
    else:
        limits = np.iinfo(dtype)  # whole numbers that a float32 holds
        elements = st.integers(max(limits.min, -(2**24)), min(limits.max, 2**24)).map(float)
    array = data.draw(arrays(np.float32, (2, 6, 8), elements=elements))
    with write(tmp_path / "out.tif", like, array) as file:
        assert file.dtypes == (dtype, dtype)
        np.testing.assert_array_equal(file.read(), array.astype(dtype))
    back = RasterReader(tmp_path / "out.tif")
    np.testing.assert_array_equal(back.read((slice(0, 6), slice(0, 8))), array)


def test_all_that_the_input_says_is_carried(tmp_path):
    def describe(file):
        file.descriptions = ("B02", None, "B08")
        file.scales, file.offsets, file.units = (
            (1e-4, 1.0, 0.5),
            (-0.1, 0.0, 3.0),
            ("reflectance", "", "K"),
        )
        file.update_tags(
            PLATFORM="S2A", AREA_OR_POINT="Point", TIFFTAG_SOFTWARE="other", EXIF_Orientation="6"
        )
        file.update_tags(1, WAVELENGTH="490", STATISTICS_MEAN="12")
        file.colorinterp = (ColorInterp.blue, ColorInterp.undefined, ColorInterp.nir)

    crs = CRS.from_epsg(32633)
    like = source(
        tmp_path / "a.tif",
        count=3,
        dtype="uint16",
        describe=describe,
        crs=crs,
        transform=ROTATED,
        nodata=0,
    ).scaled((2, 4))
    array = values(like)
    with write(tmp_path / "out.tif", like, array) as file:
        assert file.shape == (12, 32)
        assert file.crs == crs
        np.testing.assert_allclose(file.transform @ (32, 12), ROTATED @ (8, 6), rtol=0, atol=1e-6)
        np.testing.assert_allclose(file.transform @ (0, 0), ROTATED @ (0, 0), rtol=0, atol=1e-6)
        assert file.descriptions == ("B02", None, "B08")
        assert file.scales == (1e-4, 1.0, 0.5)
        assert file.offsets == (-0.1, 0.0, 3.0)
        assert file.units == ("reflectance", None, "K")
        assert file.colorinterp == (ColorInterp.blue, ColorInterp.undefined, ColorInterp.nir)
        assert file.nodatavals == (0, 0, 0)
        assert file.tags(1) == {"WAVELENGTH": "490"}
        too_bright = np.count_nonzero(array[0] > 65535.5 * 1e-4 - 0.1)
        too_dark = np.count_nonzero(array[2] < -0.5 * 0.5 + 3)
        assert file.tags() == {
            "CLIPPED_VALUES": f"B02 {too_bright}, B08 {too_dark}",
            "PLATFORM": "S2A",
            "AREA_OR_POINT": "Point",
            "TIFFTAG_SOFTWARE": "srlab 9.8",
            "SOFTWARE": "srlab 9.8",
            "MODEL_SHA256": "0a" * 32,
            "DESCRIPTION": "super-resolved",
        }
    back = RasterReader(tmp_path / "out.tif", bands=[1])
    np.testing.assert_allclose(
        back.read((slice(0, 12), slice(0, 32)))[0], array[0].clip(None, 6.4535), atol=6e-5
    )
    assert sorted(os.listdir(tmp_path)) == ["a.tif", "out.tif"]


def test_chosen_bands_carry_their_own_description(tmp_path):
    def describe(file):
        file.descriptions = ("a", "b", "c")
        file.scales = (1.0, 2.0, 4.0)

    source(tmp_path / "a.tif", count=3, describe=describe)
    like = RasterReader(tmp_path / "a.tif", bands=["c", "b"]).description
    with write(tmp_path / "out.tif", like, np.full((2, 6, 8), 8, np.float32)) as file:
        assert file.descriptions == ("c", "b")
        assert file.scales == (4.0, 2.0)
        assert file.read()[:, 0, 0].tolist() == [2, 4]


@pytest.mark.parametrize("registration", ["Area", "Point"])
def test_control_points_place_the_same_pixels(tmp_path, registration):
    crs = CRS.from_epsg(4326)
    corners = [(0.0, 0.0), (0.0, 8.0), (6.0, 0.0), (6.0, 8.0)]
    points = [
        GroundControlPoint(row, column, 10 + column, 50 - row, 2.0) for row, column in corners
    ]
    source(tmp_path / "a.tif", gcps=points, crs=crs)
    with rasterio.open(tmp_path / "a.tif", "r+") as file:
        file.update_tags(AREA_OR_POINT=registration)
    before = RasterReader(tmp_path / "a.tif").description
    expected = [
        (point.row * 2, point.col * 3, point.x, point.y, point.z) for point in before.geometry.gcps
    ]
    like = before.scaled((2, 3))
    with write(tmp_path / "out.tif", like, values(like)) as file:
        gcps, gcps_crs = file.gcps
        assert gcps_crs == crs
        assert [(point.row, point.col, point.x, point.y, point.z) for point in gcps] == expected


def test_rpcs_are_scaled(tmp_path):
    coefficients = [1.0] + [0.0] * 19
    names = ("line_num_coeff", "line_den_coeff", "samp_num_coeff", "samp_den_coeff")
    offsets = {
        f"{name}_{what}": 5.0
        for name, what in product(("height", "lat", "long", "line", "samp"), ("off", "scale"))
    }
    rpcs = RPC(**offsets, **dict.fromkeys(names, coefficients))
    like = source(tmp_path / "a.tif", rpcs=rpcs).scaled((2, 3))
    with write(tmp_path / "out.tif", like, values(like)) as file:
        # 5 counts from the centre of the first pixel: 5.5 pixels from its corner, 11 half ones
        assert (file.rpcs.line_off, file.rpcs.line_scale) == (10.5, 10)
        assert (file.rpcs.samp_off, file.rpcs.samp_scale) == (16.0, 15)
        assert file.rpcs.lat_off == 5


def test_image_without_a_place_gets_none(tmp_path):
    like = source(tmp_path / "a.tif").scaled((4, 4))
    with write(tmp_path / "out.tif", like, values(like)) as file:
        assert file.crs is None
        assert file.transform.is_identity


def test_file_is_tiled_compressed_and_predicted(tmp_path):
    for dtype, predictor in (("uint16", "2"), ("float32", "3")):
        like = source(tmp_path / f"{dtype}.tif", dtype=dtype, shape=(600, 700))
        with write(tmp_path / f"{dtype}_out.tif", like, values(like)) as file:
            assert file.block_shapes == [(512, 512)]
            structure = file.tags(ns="IMAGE_STRUCTURE")
            assert (structure["COMPRESSION"], structure["PREDICTOR"]) == ("DEFLATE", predictor)


@pytest.mark.parametrize("compression", ["zstd", "none"])
def test_file_is_compressed_as_was_asked(tmp_path, compression):
    like = source(tmp_path / "a.tif", dtype="uint16", shape=(600, 700))
    path = tmp_path / "out.tif"
    writer = create_writer(path, like, provenance=MADE, options={"compression": compression})
    writer.prepare()
    writer.write((slice(0, 600), slice(0, 700)), values(like))
    writer.finish()
    with rasterio.open(path) as file:
        assert (file.compression is None) == (compression == "none")
        assert file.tags(ns="IMAGE_STRUCTURE").get("COMPRESSION", "none").lower() == compression
        np.testing.assert_array_equal(file.read(), np.rint(values(like)))


@pytest.mark.parametrize("marked", ["by nodata", "by a mask", "by nothing"])
def test_cog_equals_the_plain_file_and_has_overviews(tmp_path, marked):
    like = source(tmp_path / "a.tif", dtype="uint16", shape=(1100, 1300), count=2, crs="EPSG:32633")
    channels = [
        replace(channel, name=name, description=name, scale=0.5, offset=-3.0, unit="m")
        for channel, name in zip(like.channels, ("B4", "B8"), strict=True)
    ]
    hidden = {"by nodata": {"nodata": 0}, "by a mask": {"masked": True}}.get(marked, {})
    like = like.with_channels([replace(channel, **hidden) for channel in channels])
    array = np.random.default_rng(0).integers(10, 900, (2, 1100, 1300)).astype(np.float32)
    if hidden:
        array[:, 600:800, 500:700] = np.nan
    paths = tmp_path / "plain.tif", tmp_path / "cog.tif"
    for path, layout in zip(paths, ("plain", "cog"), strict=True):
        writer = create_writer(path, like, provenance=MADE, options={"layout": layout})
        writer.prepare()
        writer.write((slice(0, 1100), slice(0, 1300)), array)
        writer.finish()
    with rasterio.open(paths[0]) as plain, rasterio.open(paths[1]) as cog:
        assert cog.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert cog.overviews(1) == [2, 4]
        assert cog.block_shapes == [(512, 512)] * 2
        np.testing.assert_array_equal(cog.read(), plain.read())
        np.testing.assert_array_equal(cog.read_masks(), plain.read_masks())
        for name in ("crs", "transform", "descriptions", "scales", "offsets", "units", "nodata"):
            assert getattr(cog, name) == getattr(plain, name)
        assert cog.tags()["MODEL_SHA256"] == plain.tags()["MODEL_SHA256"]
        means = plain.read(1).astype(float).reshape(550, 2, 650, 2).mean(axis=(1, 3))
    with rasterio.open(paths[1], overview_level=0) as half:
        full = half.read_masks(1) == 255
        assert np.abs(half.read(1) - means)[full].max() <= 1
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.tif", "cog.tif", "plain.tif"]


def test_unknown_compression_is_refused_before_anything_is_written(tmp_path):
    like = source(tmp_path / "a.tif", count=3)
    for name, message in (
        ("out.tif", "compression is 'zip' for .*; GeoTIFF offers deflate, zstd, none"),
        ("out.png", "compression is 'zip' for .*; PNG offers nothing to choose from"),
    ):
        with pytest.raises(Mistake, match=message):
            create_writer(tmp_path / name, like, provenance=MADE, options={"compression": "zip"})


@pytest.mark.parametrize("nodata", [0, 7, 255])
def test_nan_becomes_nodata_and_nothing_else_does(tmp_path, nodata):
    like = source(tmp_path / "a.tif", count=3, nodata=nodata)
    array = np.broadcast_to(
        np.arange(48, dtype=np.float32).reshape(6, 8) * 6 - 10, (3, 6, 8)
    ).copy()
    array[1, 0, 0] = np.nan
    with write(tmp_path / "out.tif", like, array) as file:
        np.testing.assert_array_equal(file.read_masks() == 0, np.isnan(array))
        assert file.read()[1, 0, 0] == nodata


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gdal_takes_no_valid_float_for_nodata(tmp_path, dtype):
    for nodata in [-9999.0, 0.0, 1.0, 1e20]:
        like = source(tmp_path / "a.tif", dtype=dtype, nodata=nodata)
        array = np.full((1, 6, 8), nodata, np.float32)
        array[0, :3] = np.nextafter(array[0, :3], np.float32(0))
        array[0, 5] = np.nan
        with write(tmp_path / "out.tif", like, array) as file:
            np.testing.assert_array_equal(file.read_masks() == 0, np.isnan(array))
            np.testing.assert_allclose(
                file.read()[~np.isnan(array)], array[~np.isnan(array)], rtol=2e-6, atol=1e-30
            )


def test_mask_is_carried(tmp_path):
    source(tmp_path / "a.tif", count=3)
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(tmp_path / "a.tif", "r+") as file,
    ):
        file.write_mask(np.eye(6, 8, dtype=bool))
    like = RasterReader(tmp_path / "a.tif").description.scaled((2, 2))
    assert [channel.masked for channel in like.channels] == [True] * 3
    array = np.where(np.eye(12, 16) > 0, np.nan, values(like))
    with write(tmp_path / "out.tif", like, array, step=5) as file:
        assert file.mask_flag_enums[0] == [MaskFlags.per_dataset]
        np.testing.assert_array_equal(file.dataset_mask() == 0, np.eye(12, 16) > 0)
    assert sorted(os.listdir(tmp_path)) == ["a.tif", "out.tif"]


def test_transparency_is_a_mask_unless_the_alpha_band_is_written(tmp_path):
    source(tmp_path / "a.tif", count=4, photometric="RGB", alpha="yes")
    array = np.full((4, 6, 8), 9, np.float32)
    array[:, 2:4] = np.nan
    masked = RasterReader(tmp_path / "a.tif", bands=[1, 2, 3]).description
    with write(tmp_path / "mask.tif", masked, array[:3]) as file:
        assert file.mask_flag_enums[0] == [MaskFlags.per_dataset]
        np.testing.assert_array_equal(file.dataset_mask() == 0, np.isnan(array[0]))
    with write(tmp_path / "alpha.tif", RasterReader(tmp_path / "a.tif").description, array) as file:
        assert file.colorinterp[3] == ColorInterp.alpha
        assert MaskFlags.alpha in file.mask_flag_enums[0]
        np.testing.assert_array_equal(file.read(), np.nan_to_num(array))


def test_transparent_colour_becomes_a_mask(tmp_path):
    pixels = np.array([[[1, 2, 3], [1, 2, 4]]], np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png", transparency=(1, 2, 3))
    reader = RasterReader(tmp_path / "a.png")
    array = reader.read((slice(0, 1), slice(0, 2)))
    with write(tmp_path / "out.tif", reader.description, array) as file:
        assert file.nodata is None
        assert file.dataset_mask().tolist() == [[0, 255]]
        assert file.read()[:, 0, 1].tolist() == [1, 2, 4]


def test_nan_without_nodata_is_refused_and_leaves_nothing(tmp_path):
    writer = begun(tmp_path / "out.tif", source(tmp_path / "a.tif"))
    with pytest.raises(
        ValueError, match="1 values are NaN, and a file of uint8 without a nodata value"
    ):
        writer.write((slice(0, 1), slice(0, 1)), np.full((1, 1, 1), np.nan, np.float32))
    writer.discard()
    assert os.listdir(tmp_path) == ["a.tif"]


def test_float_output_of_an_integer_file(tmp_path):
    like = source(tmp_path / "a.tif", nodata=0).with_dtype("float32")
    with write(tmp_path / "out.tif", like, np.full((1, 6, 8), 300.25, np.float32)) as file:
        assert file.dtypes == ("float32",)
        assert (file.read() == 300.25).all()
        assert file.nodata == 0


def test_nodata_that_the_type_cannot_hold_is_refused(tmp_path):
    like = source(tmp_path / "a.tif", dtype="float32", nodata=-9999)
    with pytest.raises(
        ValueError, match=r"the nodata value -9999 of .* cannot be stored as uint8: write float32"
    ):
        begun(tmp_path / "out.tif", like.with_dtype("uint8"))
    assert os.listdir(tmp_path) == ["a.tif"]


def test_palette_becomes_colours(tmp_path):
    picture = Image.fromarray(RNG.integers(0, 256, (6, 8, 3), dtype=np.uint8)).quantize(8)
    picture.save(tmp_path / "a.png")
    reader = RasterReader(tmp_path / "a.png")
    array = reader.read((slice(0, 6), slice(0, 8)))
    with write(tmp_path / "out.tif", reader.description, array) as file:
        assert file.colorinterp == (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
        np.testing.assert_array_equal(
            file.read(), np.asarray(picture.convert("RGB")).transpose(2, 0, 1)
        )


def test_other_channels_than_the_inputs_are_written(tmp_path):
    like = source(tmp_path / "a.tif", count=3, crs="EPSG:32633", transform=ROTATED)
    depth = Channel("depth", unit="m", dtype=np.dtype("float32"), nodata=-1.0)
    made = like.scaled((2, 2)).with_channels([depth])
    with write(tmp_path / "out.tif", made, values(made)) as file:
        assert (file.count, file.dtypes, file.nodata) == (1, ("float32",), -1)
        assert (file.descriptions, file.units) == (("depth",), ("m",))
        assert file.transform @ (16, 12) == pytest.approx(ROTATED @ (8, 6))


def test_arrays_that_do_not_fit_are_refused(tmp_path):
    cases = [
        (
            (slice(0, 2), slice(0, 3)),
            (1, 3, 2),
            r"got an array of shape \(1, 3, 2\) .* must be \(1, 2, 3\)",
        ),
        ((slice(0, 2), slice(0, 3)), (2, 2, 3), r"must be \(1, 2, 3\)"),
        ((slice(0, 7), slice(0, 8)), (1, 7, 8), "does not lie inside an image of 6 x 8 pixels"),
    ]
    for window, shape, message in cases:
        writer = begun(tmp_path / "o.tif", source(tmp_path / "a.tif"))
        with pytest.raises(ValueError, match=message):
            writer.write(window, np.zeros(shape, np.float32))


def test_what_is_no_raster_is_refused(tmp_path):
    class Elsewhere:
        def scaled(self, scale):
            return self

    volume = Description((2, 3, 4), tuple(map(Axis, "zyx")), (Channel("t1"),))
    with pytest.raises(ValueError, match=r"an image of 2 axes, and there are 3 \(z, y, x\)"):
        GeoTiffWriter(tmp_path / "o.tif", volume, provenance=MADE)
    slice_ = Description((3, 4), (Axis("y"), Axis("x")), (Channel("t1"),), Elsewhere())
    with pytest.raises(ValueError, match="would lose the place of its pixels"):
        GeoTiffWriter(tmp_path / "o.tif", slice_, provenance=MADE)


def test_real_scene_keeps_its_extent(shared_data, tmp_path):
    reader = RasterReader(shared_data("satellite/l8_pan15_ms30/l8_B2.tif"))
    rows, columns = reader.description.shape
    array = reader.read((slice(0, rows), slice(0, columns)))
    enlarged = array.repeat(2, axis=1).repeat(2, axis=2)
    with (
        write(tmp_path / "out.tif", reader.description.scaled((2, 2)), enlarged) as file,
        rasterio.open(reader.path) as before,
    ):
        assert file.bounds == pytest.approx(before.bounds, abs=1e-6)
        assert file.crs == before.crs
        np.testing.assert_array_equal(file.read()[:, ::2, 1::2], before.read())
