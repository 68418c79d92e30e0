"""Where `RasterGeometry` says that pixels lie, against map projections and affine arithmetic."""

import pickle
from itertools import product

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.rpc import RPC
from rasterio.transform import GCPTransformer, RPCTransformer
from rasterio.warp import transform as reproject

from srlab.io.raster.geometry import RasterGeometry
from srlab.io.raster.reader import RasterReader

UTM = CRS.from_epsg(32633)
ROTATED = Affine.translation(5e5, 5e6) @ Affine.rotation(30) @ Affine.scale(10, -20)


def corners(transform, shape):
    return [transform @ (column, row) for row, column in product((0, shape[0]), (0, shape[1]))]


@given(
    angle=st.floats(0, 360),
    steps=st.tuples(st.floats(0.1, 100), st.floats(-100, -0.1)),
    scale=st.tuples(st.integers(1, 8), st.integers(1, 8)),
    shape=st.tuples(st.integers(1, 20_000), st.integers(1, 20_000)),
)
def test_scaled_keeps_the_extent(angle, steps, scale, shape):
    transform = Affine.translation(5e5, 5e6) @ Affine.rotation(angle) @ Affine.scale(*steps)
    geometry = RasterGeometry(shape, UTM, transform)
    scaled = geometry.scaled(scale)
    assert scaled.shape == (shape[0] * scale[0], shape[1] * scale[1])
    millionth = 1e-6 * min(abs(step) for step in steps) / max(scale)
    np.testing.assert_allclose(
        corners(scaled.transform, scaled.shape), corners(transform, shape), rtol=0, atol=millionth
    )
    assert scaled.pixel_size == pytest.approx(
        [size / factor for size, factor in zip(geometry.pixel_size, scale, strict=True)]
    )


def test_pixel_size_is_rows_first_and_ignores_rotation():
    assert RasterGeometry((5, 7), UTM, ROTATED).pixel_size == pytest.approx((20, 10))


def test_feet_are_converted():
    feet = RasterGeometry((5, 7), CRS.from_epsg(2263), Affine(10, 0, 0, 0, -10, 0))
    assert feet.pixel_size == pytest.approx((3.048006, 3.048006))


@pytest.mark.parametrize("latitude", [0.0, 45.0, -60.0, 80.0])
def test_degrees_are_metres_on_the_ground_at_the_centre(latitude):
    step, shape = 1e-4, (100, 200)
    transform = Affine(step, 0, 10 - step * 100, 0, -step, latitude + step * 50)
    # independent: an equidistant projection about the centre keeps distances from it
    local = CRS.from_proj4(f"+proj=aeqd +lat_0={latitude} +lon_0=10 +datum=WGS84 +units=m")
    (_, east, _), (_, _, north) = reproject(
        "EPSG:4326", local, [10, 10 + step, 10], [latitude, latitude, latitude + step]
    )
    size = RasterGeometry(shape, CRS.from_epsg(4326), transform).pixel_size
    assert size == pytest.approx((north, east), rel=1e-5)


def test_web_mercator_is_metres_on_the_ground():
    (x,), (y,) = reproject("EPSG:4326", "EPSG:3857", [10.75], [59.91])
    geometry = RasterGeometry((2, 2), CRS.from_epsg(3857), Affine(10, 0, x - 10, 0, -10, y + 10))
    assert geometry.pixel_size == pytest.approx((10 * np.cos(np.radians(59.91)),) * 2)


@pytest.mark.parametrize(
    "geometry",
    [
        RasterGeometry((2, 2)),
        RasterGeometry((2, 2), None, ROTATED),
        RasterGeometry((2, 2), UTM),
        RasterGeometry((2, 2), CRS.from_wkt('LOCAL_CS["x",UNIT["metre",1]]'), ROTATED),
    ],
)
def test_pixel_size_is_none_where_the_file_does_not_say(geometry):
    assert geometry.pixel_size is None
    assert geometry.scaled((2, 3)).shape == (4, 6)


def test_unreferenced_image_stays_so():
    assert RasterGeometry((2, 2)).scaled((4, 4)).transform is None


def control_points(shape, transform):
    return tuple(
        GroundControlPoint(row, column, *(transform @ (column, row)), z=3.0, id=f"{row},{column}")
        for row, column in product((0.0, shape[0]), (0.0, shape[1]))
    )


def test_scaled_control_points_place_the_same_pixels():
    points = control_points((30, 40), ROTATED)
    geometry = RasterGeometry((30, 40), gcps=points, gcps_crs=UTM)
    assert geometry.pixel_size == pytest.approx((20, 10), rel=1e-6)
    scaled = geometry.scaled((2, 4))
    assert scaled.pixel_size == pytest.approx((10, 2.5), rel=1e-6)
    # offset="ul" asks for pixel corners
    at = GCPTransformer(list(scaled.gcps)).xy([2 * 6], [4 * 7], offset="ul")
    assert (at[0][0], at[1][0]) == pytest.approx(ROTATED @ (7, 6), rel=1e-9)
    assert [(point.z, point.id) for point in scaled.gcps] == [
        (point.z, point.id) for point in points
    ]


def rational_polynomials():
    """Row and column are linear in latitude and longitude, about a made-up scene."""
    one, longitude, latitude = np.eye(3, 20).tolist()
    return RPC(
        height_off=0.0, height_scale=500.0,
        lat_off=50.0, lat_scale=0.1, long_off=10.0, long_scale=0.2,
        line_off=99.5, line_scale=100.0, samp_off=149.5, samp_scale=150.0,
        line_num_coeff=latitude, line_den_coeff=one, samp_num_coeff=longitude, samp_den_coeff=one,
    )  # fmt: skip


def test_scaled_rpcs_place_the_same_ground():
    geometry = RasterGeometry((200, 300), rpcs=rational_polynomials())
    scaled = geometry.scaled((2, 3))
    where = ([10.03, 9.9], [50.02, 49.95])
    with RPCTransformer(geometry.rpcs) as before, RPCTransformer(scaled.rpcs) as after:
        rows, columns = before.rowcol(*where, op=lambda value: value)
        scaled_rows, scaled_columns = after.rowcol(*where, op=lambda value: value)
    np.testing.assert_allclose(scaled_rows, np.multiply(rows, 2), atol=1e-6)
    np.testing.assert_allclose(scaled_columns, np.multiply(columns, 3), atol=1e-6)


@pytest.mark.parametrize("registration", ["Area", "Point"])
def test_extent_of_the_file_is_the_same_for_area_and_point(tmp_path, registration):
    profile = {"driver": "GTiff", "width": 7, "height": 5, "count": 1, "dtype": "uint8", "crs": UTM}
    with rasterio.open(tmp_path / "a.tif", "w", **profile, transform=ROTATED) as file:
        file.update_tags(AREA_OR_POINT=registration)
    geometry = RasterReader(tmp_path / "a.tif").description.geometry
    np.testing.assert_allclose(geometry.transform, ROTATED, rtol=1e-14)


def test_pickles():
    geometry = RasterGeometry((30, 40), UTM, ROTATED, rpcs=rational_polynomials())
    assert pickle.loads(pickle.dumps(geometry)) == geometry
