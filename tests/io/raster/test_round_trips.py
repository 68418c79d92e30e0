"""Read, write and read again, and the corners of finer pixels, for each format and place."""

from dataclasses import replace

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.rpc import RPC
from rasters import MADE, whole
from rio_cogeo.cogeo import cog_validate

from srlab.io import Channel, Description, create_writer, open_reader
from srlab.io.raster.geometry import RasterGeometry
from srlab.mistakes import Mistake

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
UTM, DEGREES = CRS.from_epsg(32633), CRS.from_epsg(4326)
SHAPE = 300, 700
TURNED = Affine(8, 6, 4e5, 6, -8, 5e6)
"""10 m pixels; along a row each is 8 m further east and 6 m further north."""

RPCS = RPC(
    height_off=0.0, height_scale=500.0, lat_off=50.0, lat_scale=0.1, long_off=10.0,
    long_scale=0.2, line_off=149.5, line_scale=150.0, samp_off=349.5, samp_scale=350.0,
    line_num_coeff=[0.0, 0.0, 1.0, *[0.0] * 17], line_den_coeff=[1.0, *[0.0] * 19],
    samp_num_coeff=[0.0, 1.0, *[0.0] * 18], samp_den_coeff=[1.0, *[0.0] * 19],
    err_bias=-1.0, err_rand=-1.0,
)  # fmt: skip


def points(shape):
    """Control points in three corners; a column is 1e-4°, a row -2e-4°."""
    height, width = shape
    corners = ((0, 0), (0, width), (height, 0))
    return tuple(
        GroundControlPoint(row, column, 10 + 1e-4 * column, 50 - 2e-4 * row, 7.0)
        for row, column in corners
    )


PLACES = {
    "north up": RasterGeometry(SHAPE, UTM, Affine(10, 0, 4e5, 0, -10, 5e6)),
    "south up": RasterGeometry(SHAPE, UTM, Affine(10, 0, 4e5, 0, 10, 5e6)),
    "rotated": RasterGeometry(SHAPE, UTM, TURNED),
    "geographic": RasterGeometry(SHAPE, DEGREES, Affine(1e-4, 0, 10.1, 0, -1e-4, 52.3)),
    "nowhere": RasterGeometry(SHAPE),
    "control points": RasterGeometry(SHAPE, gcps=points(SHAPE), gcps_crs=DEGREES),
    "rpcs": RasterGeometry(SHAPE, rpcs=RPCS),
}
KINDS = {
    "plain.tif": {},
    "cog.tif": {"layout": "cog"},
    "none.tif": {"compression": "none"},
    "zstd.zarr": {},
}
CASES = [
    *(("plain.tif", place) for place in PLACES),
    *(("cog.tif", "rotated"), ("cog.tif", "control points"), ("none.tif", "rpcs")),
    *(("zstd.zarr", "geographic"), ("zstd.zarr", "south up"), ("zstd.zarr", "nowhere")),
]


def described(geometry, dtype="u2", **stored):
    channels = [
        Channel("B02", "reflectance", np.dtype(dtype), description="B02", **stored),
        Channel("B08", "", np.dtype(dtype), description="B08", **stored),
    ]
    return Description(SHAPE, geometry.axes, tuple(channels), geometry, {"PLATFORM": "S2A"})


def write(path, description, values, **options):
    path.unlink(missing_ok=True) if path.is_file() else None
    writer = create_writer(path, description, provenance=MADE, options=options, overwrite=True)
    writer.prepare()
    writer.write(tuple(slice(0, size) for size in description.shape), values)
    writer.finish()
    return path


def same_place(got, wanted):
    assert (got.shape, got.crs, got.transform) == (wanted.shape, wanted.crs, wanted.transform)
    assert got.gcps_crs == wanted.gcps_crs
    place = [
        [(each.row, each.col, each.x, each.y, each.z) for each in one.gcps] for one in (got, wanted)
    ]
    assert place[0] == place[1]
    assert (got.rpcs and got.rpcs.to_dict()) == (wanted.rpcs and wanted.rpcs.to_dict())


@pytest.mark.parametrize(("kind", "place"), CASES)
def test_nothing_is_lost_on_the_way(tmp_path, kind, place):
    description = described(PLACES[place], scale=1e-4, offset=-0.1, nodata=0.0)
    stored = np.random.default_rng(0).integers(1, 65_536, (2, *SHAPE))
    values = (stored * 1e-4 - 0.1).astype("f4")
    values[:, 40:90, 100:200] = np.nan
    first = open_reader(write(tmp_path / kind, description, values, **KINDS[kind]))
    np.testing.assert_array_equal(first.read(whole(first)), values)
    again = open_reader(
        write(
            tmp_path / f"again_{kind}", first.description, first.read(whole(first)), **KINDS[kind]
        )
    )
    for reader in (first, again):
        same_place(reader.description.geometry, description.geometry)
        for got, wanted in zip(reader.description.channels, description.channels, strict=True):
            assert replace(got, description=None, colour="") == replace(wanted, description=None)
        assert reader.description.tags["PLATFORM"] == "S2A"
    np.testing.assert_array_equal(again.read(whole(again)), values)


@pytest.mark.parametrize("kind", KINDS)
def test_no_type_loses_a_value(tmp_path, kind):
    for dtype in ["u1", "i2", "u4", "f4", "f8"]:
        values = np.random.default_rng(0).integers(0, 120, (2, *SHAPE)).astype("f4")
        if dtype[0] == "f":
            values += np.float32(0.123)
        description = described(PLACES["north up"], dtype)
        reader = open_reader(write(tmp_path / kind, description, values, **KINDS[kind]))
        assert {channel.dtype for channel in reader.description.channels} == {np.dtype(dtype)}
        np.testing.assert_array_equal(reader.read(whole(reader)), values)


@pytest.mark.parametrize(
    ("place", "hidden", "compression"),
    [
        ("rotated", {"masked": True}, "zstd"),
        ("control points", {"masked": True}, "deflate"),
        ("nowhere", {"nodata": 0.0}, "none"),
    ],
)
def test_cogs_pass_the_validator(tmp_path, place, hidden, compression):
    geometry = replace(PLACES[place], shape=(1100, 1300))
    description = replace(described(geometry, **hidden), shape=(1100, 1300))
    values = np.random.default_rng(0).integers(1, 900, (2, 1100, 1300)).astype("f4")
    if hidden:
        values[:, :600, :700] = np.nan
    path = write(tmp_path / "a.tif", description, values, layout="cog", compression=compression)
    valid, errors, warnings = cog_validate(path, strict=True, quiet=True)
    assert (valid, errors, warnings) == (True, [], [])


CORNERS = {
    # of a raster of 300 rows and 700 columns: upper left, upper right, lower left
    "north up": [(400_000, 5_000_000), (407_000, 5_000_000), (400_000, 4_997_000)],
    "south up": [(400_000, 5_000_000), (407_000, 5_000_000), (400_000, 5_003_000)],
    "rotated": [(400_000, 5_000_000), (405_600, 5_004_200), (401_800, 4_997_600)],
    "geographic": [(10.1, 52.3), (10.17, 52.3), (10.1, 52.27)],
    "control points": [(10, 50), (10.07, 50), (10, 49.94)],
}
STEPS = {
    # from a pixel to the next one in its row, and to the one below it
    "north up": ((10, 0), (0, -10)),
    "south up": ((10, 0), (0, 10)),
    "rotated": ((8, 6), (6, -8)),
    "geographic": ((1e-4, 0), (0, -1e-4)),
}


@pytest.mark.parametrize(
    ("kind", "place"), [case for case in CASES if case[1] in CORNERS and case[0] != "none.tif"]
)
def test_corners_stay_where_they_are(tmp_path, kind, place):
    for scale in [(2, 2), (1, 4)]:
        finer = described(PLACES[place]).scaled(scale)
        values = np.ones((2, *finer.shape), "f4")
        path = write(tmp_path / kind, finer, values, **KINDS[kind])
        geometry = open_reader(path).description.geometry
        height, width = geometry.shape
        assert (height, width) == (300 * scale[0], 700 * scale[1])
        pixels = [(0, 0), (width, 0), (0, height)]
        if place == "control points":
            assert [(each.col, each.row) for each in geometry.gcps] == pixels
            found = [(each.x, each.y) for each in geometry.gcps]
        else:
            found = [geometry.transform @ pixel for pixel in pixels]
            columns, rows = STEPS[place]
            across = np.subtract(geometry.transform @ (1, 0), geometry.transform @ (0, 0))
            down = np.subtract(geometry.transform @ (0, 1), geometry.transform @ (0, 0))
            np.testing.assert_allclose(across * scale[1], columns, rtol=1e-6, atol=1e-9)
            np.testing.assert_allclose(down * scale[0], rows, rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(found, CORNERS[place], rtol=0, atol=1e-9 * CORNERS[place][0][1])


@given(
    step=st.floats(0.01, 1000),
    angle=st.floats(0, 360),
    origin=st.tuples(st.floats(-1e6, 1e6), st.floats(-1e7, 1e7)),
)
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15, deadline=None
)
@pytest.mark.parametrize("kind", ["plain.tif", "zstd.zarr"])
def test_any_affine_is_kept_to_the_last_bit(tmp_path, kind, step, angle, origin):
    transform = Affine.translation(*origin) @ Affine.rotation(angle) @ Affine.scale(step, -step)
    geometry = RasterGeometry((4, 5), UTM, transform)
    description = replace(described(geometry), shape=(4, 5))
    path = write(tmp_path / kind, description, np.ones((2, 4, 5), "f4"))
    assert open_reader(path).description.geometry.transform == transform


def test_rpcs_and_points_of_zarr_are_refused(tmp_path):
    for place in ("rpcs", "control points"):
        with pytest.raises(Mistake, match=r"Zarr has no words for these\. Write a .tif"):
            create_writer(tmp_path / "a.zarr", described(PLACES[place]), provenance=MADE)


def test_statistics_are_those_of_numpy(tmp_path):
    values = np.random.default_rng(0).normal(500, 90, (2, *SHAPE)).astype("f4")
    values[:, :60] = np.nan
    description = described(PLACES["north up"], "f4", nodata=-9999.0)
    for layout in ("plain", "cog"):
        path = write(
            tmp_path / f"{layout}.tif", description, values, layout=layout, statistics="true"
        )
        with rasterio.open(path) as file:
            for band, plane in zip(file.indexes, values.astype("f8"), strict=True):
                tags = file.tags(band)
                found = [
                    float(tags[f"STATISTICS_{each}"])
                    for each in ("MINIMUM", "MAXIMUM", "MEAN", "STDDEV")
                ]
                wanted = [np.nanmin(plane), np.nanmax(plane), np.nanmean(plane), np.nanstd(plane)]
                np.testing.assert_allclose(found, wanted, rtol=1e-5)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["cog.tif", "plain.tif"]


def test_statistics_of_nothing_are_left_out(tmp_path):
    description = described(PLACES["nowhere"], nodata=0.0)
    empty = np.full((2, *SHAPE), np.nan, "f4")
    path = write(tmp_path / "a.tif", description, empty, statistics="true")
    with rasterio.open(path) as file:
        assert not any(key.startswith("STATISTICS") for key in file.tags(1))
