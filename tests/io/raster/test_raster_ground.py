"""Whether rasters cover the same ground, against points that are looked up one by one."""

from dataclasses import replace
from math import cos, radians, sin

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.rpc import RPC
from rasterio.warp import calculate_default_transform, transform_bounds

from srlab.io import open_reader
from srlab.io.raster.geometry import RasterGeometry

UTM = CRS.from_epsg(32633)
SENTINEL2 = "satellite/s2_ftw_8band_10m_uint16_utm33.tif"


def raster(x=0.0, y=0.0, *, shape=(20, 30), pixel=10.0, turn=0.0, mirrored=False, crs=UTM):
    """A raster with its first corner at a place; mirrored, its rows go north."""
    down = pixel if mirrored else -pixel
    transform = (
        Affine.translation(500_000 + x, 5_000_000 + y)
        @ Affine.rotation(turn)
        @ Affine.scale(pixel, down)
    )
    return RasterGeometry(shape=shape, crs=crs, transform=transform)


def meet(one, other, margin=(0, 0)):
    found = one.ground.overlaps(other.ground, margin)
    assert found == other.ground.overlaps(one.ground, margin)
    if found:  # and so do the balls
        (here, near), (there, far) = (each.ground.ball(margin) for each in (one, other))
        assert np.linalg.norm(here - there) <= near + far
    return found


rasters = st.builds(
    raster,
    x=st.floats(-400, 400),
    y=st.floats(-400, 400),
    shape=st.tuples(st.integers(1, 30), st.integers(1, 30)),
    pixel=st.sampled_from([5.0, 10.0, 12.5]),
    turn=st.sampled_from([0.0, 90.0, 180.0]) | st.floats(0, 360),
    mirrored=st.booleans(),
)


def inside(points, geometry, margin):
    """Whether any of ``(N, 2)`` points x, y lies in a raster, or near it."""
    columns, rows = ~geometry.transform @ tuple(points.T)
    sides = zip((rows, columns), geometry.shape, strict=True)
    return np.all([(-margin <= at) & (at <= side + margin) for at, side in sides], axis=0).any()


@settings(deadline=None, max_examples=200)
@given(one=rasters, other=rasters)
def test_rasters_in_any_direction_overlap_where_they_share_a_point(one, other):
    rows, columns = (np.linspace(0, side, 2 * side + 1) for side in one.shape)
    grid = np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2)
    points = np.stack(one.transform @ tuple(grid.T), axis=1)
    if inside(points, other, -0.01):
        assert meet(one, other)
    elif not inside(points, other, 1.5):  # points of the one lie at most a pixel of the other apart
        assert not meet(one, other)


@pytest.mark.parametrize(("turn", "mirrored"), [(0, False), (30, True), (90, False)])
def test_rasters_side_by_side_touch_and_do_not_overlap(turn, mirrored):
    one = raster(turn=turn, mirrored=mirrored)

    def beside(pixels):
        along = 10 * (30 + pixels)
        x, y = along * cos(radians(turn)), along * sin(radians(turn))
        return raster(x, y, turn=turn, mirrored=mirrored)

    assert not meet(one, beside(0), (-0.5, -0.5))
    assert meet(one, beside(-1), (-0.5, -0.5))
    assert meet(one, beside(7), (8, 8))
    assert not meet(one, beside(9), (8, 8))


def test_the_offset_of_rasters_on_one_grid_is_whole():
    one = raster(turn=30)
    moved = replace(one, transform=one.transform @ Affine.translation(7, -3), shape=(4, 5))
    assert one.ground.offset(moved.ground) == (-3, 7)
    half = replace(one, transform=one.transform @ Affine.translation(0.5, 0))
    assert one.ground.offset(half.ground) is None
    for other in (raster(), raster(turn=30, mirrored=True), raster(turn=30, pixel=5)):
        assert one.ground.offset(other.ground) is None


def test_the_ground_is_the_same_in_another_crs(shared_data):
    """The real scene and its copy in degrees, moved by its own width or a little less."""
    scene = open_reader(shared_data(SENTINEL2)).description.geometry
    rows, columns = scene.shape
    bounds = rasterio.transform.array_bounds(rows, columns, scene.transform)
    transform, width, height = calculate_default_transform(
        scene.crs, "EPSG:4326", columns, rows, *bounds
    )
    copy = RasterGeometry(shape=(height, width), crs=CRS.from_epsg(4326), transform=transform)
    west, south, east, north = transform_bounds(scene.crs, "EPSG:4326", *bounds)
    assert meet(scene, copy, (-0.5, -0.5))
    for share, wanted in ((0.98, True), (1.02, False)):
        for x, y in ((share * (east - west), 0), (0, share * (north - south))):
            moved = replace(copy, transform=Affine.translation(x, y) @ transform)
            assert meet(scene, moved, (-0.5, -0.5)) == wanted


def test_ground_across_the_date_line_is_the_same_from_either_side():
    """179.5° E to 179.2° W as zone 60 counts, and 178.8° E to 180° as zone 1 does."""
    one, other = (
        RasterGeometry(
            shape=(100, 100),
            crs=CRS.from_epsg(code),
            transform=Affine.translation(x, 5_000_000) @ Affine.scale(1000, -1000),
        )
        for code, x in ((32760, 700_000), (32701, 166_000))
    )
    assert meet(one, other)
    beyond = replace(other, transform=Affine.translation(-40_000, 0) @ other.transform)
    assert not meet(one, beyond, (-0.5, -0.5))


def test_control_points_and_rpcs_place_a_raster(tmp_path):
    one = raster()
    corners = [(0, 0), (0, 30), (20, 0), (20, 30)]
    points = [GroundControlPoint(row, col, *(one.transform @ (col, row))) for row, col in corners]
    by_points = RasterGeometry(shape=(20, 30), gcps=tuple(points), gcps_crs=UTM)
    assert by_points.ground.offset(one.ground) == (0, 0)
    linear = {"line_num_coeff": [0, 0, -1] + [0] * 17, "samp_num_coeff": [0, 1] + [0] * 18}
    unit = {key: [1] + [0] * 19 for key in ("line_den_coeff", "samp_den_coeff")}
    rpcs = RPC(
        **linear, **unit, err_bias=0, err_rand=0, height_off=100, height_scale=10,
        lat_off=45.0, lat_scale=0.1, long_off=15.0, long_scale=0.2,
        line_off=49.5, line_scale=50, samp_off=49.5, samp_scale=50,
    )  # fmt: skip
    by_rpcs = RasterGeometry(shape=(100, 100), rpcs=rpcs).ground.grid
    # the first pixel's corner lies a whole scale before the middle
    np.testing.assert_allclose(by_rpcs.transform @ (0, 0), (14.8, 45.1), atol=1e-6)
    np.testing.assert_allclose(by_rpcs.transform @ (100, 100), (15.2, 44.9), atol=1e-6)


def test_a_raster_that_lies_nowhere_has_no_ground():
    assert RasterGeometry(shape=(20, 30)).ground is None
    assert replace(raster(), crs=None).ground is None


def test_a_local_grid_has_no_place_on_earth():
    local = CRS.from_wkt('LOCAL_CS["local grid",UNIT["metre",1]]')
    assert raster(crs=local).ground is None
