"""What `RasterWriter` leaves on the disk, read back with rasterio."""

import os
import re
import signal
import subprocess
import sys

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

from srlab.io.protocols import Provenance
from srlab.io.raster.reader import RasterReader, RasterWriter

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
RNG = np.random.default_rng(0)
MADE = Provenance(software="srlab 9.8", model="0a" * 32)
ROTATED = Affine.translation(5e5, 5e6) @ Affine.rotation(30) @ Affine.scale(10, -20)


def source(path, *, count=1, shape=(6, 8), dtype="uint8", describe=lambda file: None, **profile):
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
    return RasterReader(path)


def write(path, like, array, *, scale=(1, 1), step=None, **options):
    """Write whole, or in strips of `step` rows, as the writer is meant to be used."""
    writer = RasterWriter(path, like=like, scale=scale, provenance=MADE, **options)
    for row in range(0, array.shape[1], step or array.shape[1]):
        part = array[:, row : row + (step or array.shape[1])]
        writer.write((slice(row, row + part.shape[1]), slice(0, array.shape[2])), part)
    writer.close()
    return rasterio.open(path)


def values(reader, scale=(1, 1)):
    shape = (len(reader.channels), reader.shape[0] * scale[0], reader.shape[1] * scale[1])
    return RNG.uniform(1, 100, shape).astype(np.float32)


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
        elements = st.floats(width=32, allow_nan=False)
    else:
        limits = np.iinfo(dtype)  # whole numbers that a float32 holds
        elements = st.integers(max(limits.min, -(2**24)), min(limits.max, 2**24)).map(float)
    array = data.draw(arrays(np.float32, (2, 6, 8), elements=elements))
    with write(tmp_path / "out.tif", like, array, overwrite=True) as file:
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
    )
    array = values(like, (2, 4))
    with write(tmp_path / "out.tif", like, array, scale=(2, 4)) as file:
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
        assert file.tags() == {
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
    assert os.listdir(tmp_path) == ["a.tif", "out.tif"] or sorted(os.listdir(tmp_path)) == [
        "a.tif",
        "out.tif",
    ]


def test_chosen_bands_carry_their_own_description(tmp_path):
    def describe(file):
        file.descriptions = ("a", "b", "c")
        file.scales = (1.0, 2.0, 4.0)

    source(tmp_path / "a.tif", count=3, describe=describe).close()
    like = RasterReader(tmp_path / "a.tif", bands=["c", "b"])
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
    source(tmp_path / "a.tif", gcps=points, crs=crs).close()
    with rasterio.open(tmp_path / "a.tif", "r+") as file:
        file.update_tags(AREA_OR_POINT=registration)
    like = RasterReader(tmp_path / "a.tif")
    expected = [
        (point.row * 2, point.col * 3, point.x, point.y, point.z) for point in like.geometry.gcps
    ]
    with write(tmp_path / "out.tif", like, values(like, (2, 3)), scale=(2, 3)) as file:
        gcps, gcps_crs = file.gcps
        assert gcps_crs == crs
        assert [(point.row, point.col, point.x, point.y, point.z) for point in gcps] == expected


def test_rpcs_are_scaled(tmp_path):
    coefficients = [1.0] + [0.0] * 19
    names = ("line_num_coeff", "line_den_coeff", "samp_num_coeff", "samp_den_coeff")
    offsets = {
        f"{name}_{what}": 5.0
        for name in ("height", "lat", "long", "line", "samp")
        for what in ("off", "scale")
    }
    like = source(tmp_path / "a.tif", rpcs=RPC(**offsets, **dict.fromkeys(names, coefficients)))
    with write(tmp_path / "out.tif", like, values(like, (2, 3)), scale=(2, 3)) as file:
        # 5 counts from the centre of the first pixel: 5.5 pixels from its corner, 11 of half the size
        assert (file.rpcs.line_off, file.rpcs.line_scale) == (10.5, 10)
        assert (file.rpcs.samp_off, file.rpcs.samp_scale) == (16.0, 15)
        assert file.rpcs.lat_off == 5


def test_image_without_a_place_gets_none(tmp_path):
    like = source(tmp_path / "a.tif")
    with write(tmp_path / "out.tif", like, values(like, (4, 4)), scale=(4, 4)) as file:
        assert file.crs is None
        assert file.transform.is_identity


def test_file_is_tiled_compressed_and_predicted(tmp_path):
    for dtype, predictor in (("uint16", "2"), ("float32", "3")):
        like = source(tmp_path / f"{dtype}.tif", dtype=dtype, shape=(600, 700))
        with write(tmp_path / f"{dtype}_out.tif", like, values(like)) as file:
            assert file.block_shapes == [(512, 512)]
            structure = file.tags(ns="IMAGE_STRUCTURE")
            assert (structure["COMPRESSION"], structure["PREDICTOR"]) == ("DEFLATE", predictor)


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
@pytest.mark.parametrize("nodata", [-9999.0, 0.0, 1.0, 1e20])
def test_gdal_takes_no_valid_float_for_nodata(tmp_path, dtype, nodata):
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
    source(tmp_path / "a.tif", count=3).close()
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(tmp_path / "a.tif", "r+") as file,
    ):
        file.write_mask(np.eye(6, 8, dtype=bool))
    like = RasterReader(tmp_path / "a.tif")
    array = np.where(np.eye(12, 16) > 0, np.nan, values(like, (2, 2)))
    with write(tmp_path / "out.tif", like, array, scale=(2, 2), step=5) as file:
        assert file.mask_flag_enums[0] == [MaskFlags.per_dataset]
        np.testing.assert_array_equal(file.dataset_mask() == 0, np.eye(12, 16) > 0)
    assert sorted(os.listdir(tmp_path)) == ["a.tif", "out.tif"]


def test_transparent_colour_becomes_a_mask(tmp_path):
    pixels = np.array([[[1, 2, 3], [1, 2, 4]]], np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png", transparency=(1, 2, 3))
    like = RasterReader(tmp_path / "a.png")
    with write(tmp_path / "out.tif", like, like.read((slice(0, 1), slice(0, 2)))) as file:
        assert file.nodata is None
        assert file.dataset_mask().tolist() == [[0, 255]]
        assert file.read()[:, 0, 1].tolist() == [1, 2, 4]


def test_nan_without_nodata_is_refused_and_leaves_nothing(tmp_path):
    like = source(tmp_path / "a.tif")
    writer = RasterWriter(tmp_path / "out.tif", like=like, scale=(1, 1), provenance=MADE)
    with pytest.raises(
        ValueError, match="1 values are NaN, and a file of uint8 without a nodata value"
    ):
        writer.write((slice(0, 1), slice(0, 1)), np.full((1, 1, 1), np.nan, np.float32))
    writer.abort()
    assert os.listdir(tmp_path) == ["a.tif"]


def test_float_output_of_an_integer_file(tmp_path):
    like = source(tmp_path / "a.tif", nodata=0)
    with write(
        tmp_path / "out.tif", like, np.full((1, 6, 8), 300.25, np.float32), dtype="float32"
    ) as file:
        assert file.dtypes == ("float32",)
        assert (file.read() == 300.25).all()
        assert file.nodata == 0


def test_nodata_that_the_type_cannot_hold_is_refused(tmp_path):
    like = source(tmp_path / "a.tif", dtype="float32", nodata=-9999)
    with pytest.raises(
        ValueError, match=r"the nodata value -9999 of .* cannot be stored as uint8: write float32"
    ):
        RasterWriter(tmp_path / "out.tif", like=like, scale=(1, 1), provenance=MADE, dtype="uint8")
    assert os.listdir(tmp_path) == ["a.tif"]


def test_palette_becomes_colours(tmp_path):
    picture = Image.fromarray(RNG.integers(0, 256, (6, 8, 3), dtype=np.uint8)).quantize(8)
    picture.save(tmp_path / "a.png")
    like = RasterReader(tmp_path / "a.png")
    with write(tmp_path / "out.tif", like, like.read((slice(0, 6), slice(0, 8)))) as file:
        assert file.colorinterp == (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
        np.testing.assert_array_equal(
            file.read(), np.asarray(picture.convert("RGB")).transpose(2, 0, 1)
        )


@pytest.mark.parametrize("count", [3, 5])
def test_windows_in_any_order_equal_one_write(tmp_path, count):
    like = source(tmp_path / "a.tif", count=count, dtype="uint16", shape=(700, 600))
    array = np.rint(values(like))
    writer = RasterWriter(tmp_path / "out.tif", like=like, scale=(1, 1), provenance=MADE)
    windows = [
        (slice(r, min(r + 190, 700)), slice(c, min(c + 130, 600)))
        for r in range(0, 700, 190)
        for c in range(0, 600, 130)
    ]
    for at in RNG.permutation(len(windows)):
        writer.write(windows[at], array[:, windows[at][0], windows[at][1]])
    writer.close()
    writer.close()  # a second time does nothing
    with rasterio.open(tmp_path / "out.tif") as file:
        np.testing.assert_array_equal(file.read(), array)


@pytest.mark.parametrize(
    ("window", "shape", "message"),
    [
        (
            (slice(0, 2), slice(0, 3)),
            (1, 3, 2),
            r"got an array of shape \(1, 3, 2\) .* must be \(1, 2, 3\)",
        ),
        ((slice(0, 2), slice(0, 3)), (2, 2, 3), r"must be \(1, 2, 3\)"),
        ((slice(0, 7), slice(0, 8)), (1, 7, 8), "does not lie inside an image of 6 x 8 pixels"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path, window, shape, message):
    writer = RasterWriter(
        tmp_path / "o.tif", like=source(tmp_path / "a.tif"), scale=(1, 1), provenance=MADE
    )
    with pytest.raises(ValueError, match=message):
        writer.write(window, np.zeros(shape, np.float32))
    writer.abort()


def test_the_name_appears_on_close_only(tmp_path):
    like = source(tmp_path / "a.tif")
    target = tmp_path / "out.tif"
    writer = RasterWriter(target, like=like, scale=(1, 1), provenance=MADE)
    writer.write((slice(0, 6), slice(0, 8)), values(like))
    assert sorted(os.listdir(tmp_path)) == [".out.partial.tif", "a.tif"]
    writer.close()
    assert sorted(os.listdir(tmp_path)) == ["a.tif", "out.tif"]
    writer.abort()  # after close it has nothing to give up
    assert target.exists()


def test_abort_leaves_the_old_file_alone(tmp_path):
    like = source(tmp_path / "a.tif")
    (tmp_path / "out.tif").write_bytes(b"old")
    writer = RasterWriter(
        tmp_path / "out.tif", like=like, scale=(1, 1), provenance=MADE, overwrite=True
    )
    writer.write((slice(0, 6), slice(0, 8)), values(like))
    writer.abort()
    writer.abort()
    assert (tmp_path / "out.tif").read_bytes() == b"old"
    assert sorted(os.listdir(tmp_path)) == ["a.tif", "out.tif"]


def test_leftovers_of_a_crash_do_no_harm(tmp_path):
    (tmp_path / ".out.partial.tif").write_bytes(b"II*\0 broken")
    like = source(tmp_path / "a.tif")
    write(tmp_path / "out.tif", like, values(like)).close()
    assert sorted(os.listdir(tmp_path)) == ["a.tif", "out.tif"]


def test_where_nothing_can_be_written_is_said_at_once(tmp_path):
    like = source(tmp_path / "a.tif")
    (tmp_path / "old.tif").write_bytes(b"old")

    def begin(path, **options):
        return RasterWriter(path, like=like, scale=(1, 1), provenance=MADE, **options)

    with pytest.raises(
        FileExistsError, match=r"old.tif exists: give another name, or overwrite=true"
    ):
        begin(tmp_path / "old.tif")
    with pytest.raises(
        FileNotFoundError, match=r"the folder .*missing does not exist: make it first"
    ):
        begin(tmp_path / "missing" / "a.tif")
    with pytest.raises(
        IsADirectoryError, match="is a folder, and the name of a file to write is wanted"
    ):
        begin(tmp_path)
    with pytest.raises(
        ValueError, match=r"a.tif is the input itself: give the output another name"
    ):
        begin(tmp_path / "a.tif", overwrite=True)
    assert (tmp_path / "old.tif").read_bytes() == b"old"


FULL_DISK = """
import resource, signal, sys
import numpy as np
from srlab.io.protocols import Provenance
from srlab.io import create_writer, open_reader

_, source, target, limit, rows = sys.argv
like = open_reader(source)
array = np.random.default_rng(0).uniform(0, 255, (1, *like.shape)).astype(np.float32)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
writer = create_writer(target, like=like, scale=(1, 1), provenance=Provenance("srlab", "0"))
try:
    for row in range(0, like.shape[0], int(rows)):
        window = (slice(row, min(row + int(rows), like.shape[0])), slice(0, like.shape[1]))
        writer.write(window, array[:, window[0]])
    writer.close()
except OSError as error:
    writer.abort()
    sys.exit(f"OSError: {error}")
"""


@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="no file size limit")
@pytest.mark.parametrize("name", ["out.tif", "out.png", "out.jpg"])
@pytest.mark.parametrize("rows", [512, 100])
@pytest.mark.parametrize("left", [0.02, 0.6, 0.999])
def test_a_full_disk_is_an_error_and_leaves_nothing(tmp_path, name, rows, left):
    source(tmp_path / "a.tif", shape=(700, 600)).close()
    size = 700 * 600  # of noise, which does not compress
    limit = str(int(size * left * (0.5 if name == "out.jpg" else 1)))
    run = subprocess.run(
        [sys.executable, "-c", FULL_DISK, tmp_path / "a.tif", tmp_path / name, limit, str(rows)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert re.search(r"out\.(partial\.)?(tif|png|jpg) (cannot|could not) be written", run.stderr)
    assert "OSError: " in run.stderr.splitlines()[-1]
    assert os.listdir(tmp_path) == ["a.tif"]


def test_blocks_that_never_reached_the_disk_are_an_error(tmp_path):
    like = source(tmp_path / "a.tif", nodata=0)
    writer = RasterWriter(tmp_path / "out.tif", like=like, scale=(1, 1), provenance=MADE)
    writer.write((slice(0, 6), slice(0, 8)), values(like))
    writer._dataset.close()
    partial = tmp_path / ".out.partial.tif"
    source(partial, sparse_ok=True).close()  # as after a failed flush: a header, and no block
    with pytest.raises(OSError, match=r"out.tif could not be written whole: is the disk full\?"):
        writer.close()
    assert os.listdir(tmp_path) == ["a.tif"]


def test_real_scene_keeps_its_extent(shared_data, tmp_path):
    like = RasterReader(shared_data("satellite/l8_pan15_ms30/l8_B2.tif"))
    rows, columns = like.shape
    enlarged = like.read((slice(0, rows), slice(0, columns))).repeat(2, axis=1).repeat(2, axis=2)
    with (
        write(tmp_path / "out.tif", like, enlarged, scale=(2, 2)) as file,
        rasterio.open(like.path) as before,
    ):
        assert file.bounds == pytest.approx(before.bounds, abs=1e-6)
        assert file.crs == before.crs
        np.testing.assert_array_equal(file.read()[:, ::2, 1::2], before.read())
