"""Zarr stores, against zarr, xarray, GDAL and numpy."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
import rasterio
import rasterio.shutil
import xarray
import zarr
from affine import Affine
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasters import MADE, save, whole

from srlab.io import Channel, Description, create_writer, open_reader
from srlab.io.raster.geometry import RasterGeometry
from srlab.mistakes import Mistake

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
SHAPE = 600, 1100
UTM, DEGREES = CRS.from_epsg(32633), CRS.from_epsg(4326)
NORTH_UP = Affine(10, 0, 4e5, 0, -20, 5e6)
PLACES = {
    "north up": (UTM, NORTH_UP),
    "south up": (UTM, Affine(10, 0, 4e5, 0, 20, 5e6)),
    "rotated": (UTM, Affine.translation(4e5, 5e6) @ Affine.rotation(30) @ Affine.scale(10, -20)),
    "geographic": (DEGREES, Affine(1e-4, 0, 10.1, 0, -1e-4, 52.3)),
    "without a crs": (None, NORTH_UP),
    "nowhere": (None, None),
}
CHANNELS = (
    Channel("B02", "reflectance", np.dtype("u2"), 1e-4, -0.1, 0.0, tags={"WAVELENGTH": "490"}),
    Channel("R", dtype=np.dtype("u1"), colour="red"),
    Channel("a:b/c", "K", np.dtype("f4"), nodata=float("nan")),
    Channel("4", dtype=np.dtype("i2"), nodata=-32768.0),
)


def described(place="north up", channels=CHANNELS):
    geometry = RasterGeometry(SHAPE, *PLACES[place])
    return Description(SHAPE, geometry.axes, channels, geometry, {"PLATFORM": "S2A"})


def stored():
    """Values of each band's own type, the first of which is nodata where it has one."""
    rng = np.random.default_rng(0)
    planes = [
        rng.integers(1, 60_000, SHAPE).astype("u2"),
        rng.integers(0, 256, SHAPE).astype("u1"),
        rng.normal(size=SHAPE).astype("f4"),
        rng.integers(-30_000, 30_000, SHAPE).astype("i2"),
    ]
    for plane, channel in zip(planes, CHANNELS, strict=True):
        if channel.nodata is not None:
            plane[:30, 5:50] = channel.nodata
    return planes


def physical(planes):
    result = [
        plane.astype("f8") * channel.scale + channel.offset
        for plane, channel in zip(planes, CHANNELS, strict=True)
    ]
    for values, plane, channel in zip(result, planes, CHANNELS, strict=True):
        if channel.nodata is not None:
            values[plane == channel.nodata] = np.nan
    return np.stack(result).astype("f4")


WINDOWS = [
    (slice(top, min(top + 250, SHAPE[0])), slice(left, min(left + 700, SHAPE[1])))
    for top in range(0, SHAPE[0], 250)
    for left in range(0, SHAPE[1], 700)
]


def write(path, description, values, *, windows=WINDOWS, **options):
    writer = create_writer(path, description, provenance=MADE, overwrite=True, options=options)
    writer.prepare()
    for window in windows:
        writer.write(window, values[(slice(None), *window)])
    writer.finish()
    return path


@pytest.mark.parametrize("place", PLACES)
def test_what_is_written_comes_back(tmp_path, place):
    planes = stored()
    path = write(tmp_path / "a.zarr", described(place), physical(planes))
    reader = pickle.loads(pickle.dumps(open_reader(path)))
    assert repr(reader.description.channels) == repr(CHANNELS)  # NaN equals no NaN
    assert reader.description.geometry == RasterGeometry(SHAPE, *PLACES[place])
    assert reader.description.axes == described(place).axes
    assert reader.description.tags["PLATFORM"] == "S2A"
    np.testing.assert_array_equal(reader.read(whole(reader)), physical(planes))
    root = zarr.open(path, mode="r")
    assert root.attrs["bands"] == ["B02", "R", "a_b_c", "4"]
    assert root.attrs["MODEL_SHA256"] == MADE.model
    for name, plane in zip(root.attrs["bands"], planes, strict=True):
        np.testing.assert_array_equal(root[name][:], plane)
        assert root[name].dtype == plane.dtype
    assert [each.name for each in tmp_path.iterdir()] == ["a.zarr"]


def test_bands_are_chosen_by_number_and_by_their_own_names(tmp_path):
    path = write(tmp_path / "a.zarr", described(), physical(stored()))
    reader = open_reader(path, bands=["a:b/c", 1, "4"])
    assert reader.description.names == ("a:b/c", "B02", "4")
    np.testing.assert_array_equal(reader.read(whole(reader)), physical(stored())[[2, 0, 3]])


def test_gdal_reads_each_band_in_its_place(tmp_path):
    path = write(tmp_path / "a.zarr", described("south up"), physical(stored()))
    for name, channel, plane in zip(("B02", "R"), CHANNELS, stored(), strict=False):
        with rasterio.open(f'ZARR:"{path}":/{name}') as file:
            assert (file.crs, file.transform) == PLACES["south up"]
            assert (file.nodata, file.scales[0], file.offsets[0], file.units[0] or "") == (
                *(channel.nodata, channel.scale, channel.offset, channel.unit),
            )
            np.testing.assert_array_equal(file.read(1), plane)


def test_xarray_reads_physical_units_and_coordinates(tmp_path):
    path = write(tmp_path / "a.zarr", described(), physical(stored()))
    with xarray.open_zarr(path) as dataset:
        assert set(dataset.data_vars) == {"B02", "R", "a_b_c", "4", "spatial_ref"}
        assert dataset.B02.attrs["units"] == "reflectance"
        np.testing.assert_allclose(dataset.B02.values, physical(stored())[0], rtol=1e-6)
        assert dataset.x.values[:2].tolist() == [400005, 400015]
        assert dataset.y.values[:2].tolist() == [4999990, 4999970]


@pytest.mark.parametrize("compression", ["zstd", "deflate", "none"])
def test_no_byte_depends_on_the_order_of_windows(tmp_path, compression):
    values = physical(stored())
    one = write(tmp_path / "a.zarr", described(), values, compression=compression)
    mirrored = write(
        tmp_path / "b.zarr", described(), values, windows=WINDOWS[::-1], compression=compression
    )
    files = [each.relative_to(one) for each in sorted(one.rglob("*")) if each.is_file()]
    assert len(files) > 20
    for file in files:
        assert (one / file).read_bytes() == (mirrored / file).read_bytes()
    assert len(files) == sum(each.is_file() for each in mirrored.rglob("*"))
    codec = zarr.open(one, mode="r")["B02"].metadata.compressor
    wanted = {"zstd": "zstd", "deflate": "zlib", "none": None}[compression]
    assert (codec and codec.codec_id) == wanted


def test_chunks_are_squares(tmp_path):
    path = write(tmp_path / "a.zarr", described(), physical(stored()))
    assert zarr.open(path, mode="r")["R"].chunks == (512, 512)


def test_an_unfinished_store_leaves_the_former_one(tmp_path):
    path = write(tmp_path / "a.zarr", described(), physical(stored()))
    writer = create_writer(path, described(), provenance=MADE, overwrite=True)
    writer.prepare()
    writer.discard()
    assert open_reader(path).description.names == ("B02", "R", "a:b/c", "4")
    write(path, described(channels=CHANNELS[:1]), physical(stored())[:1])
    assert open_reader(path).description.names == ("B02",)
    assert [each.name for each in tmp_path.iterdir()] == ["a.zarr"]


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path, monkeypatch):
    def full(store):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zarr, "consolidate_metadata", full)
    with pytest.raises(OSError, match=r"a.zarr cannot be written: No space left on device\."):
        write(tmp_path / "a.zarr", described(), physical(stored()))
    assert [each.name for each in tmp_path.iterdir()] == ["a.zarr.partial"]


def test_floats_under_a_mask_are_marked_by_nan(tmp_path):
    channel = Channel("1", masked=True)
    values = physical(stored())[2:3]
    path = write(tmp_path / "a.zarr", described(channels=(channel,)), values)
    np.testing.assert_array_equal(open_reader(path).read((slice(0, 600), slice(0, 1100))), values)


def test_alpha_marks_what_is_empty(tmp_path):
    byte = np.dtype("u1")
    channels = Channel("R", dtype=byte), Channel("A", dtype=byte, colour="alpha")
    values = np.full((2, *SHAPE), 200, np.float32)
    values[:, :9] = np.nan
    path = write(tmp_path / "a.zarr", described(channels=channels), values)
    root = zarr.open(path, mode="r")
    for name in ("R", "A"):
        assert root[name][:9].max() == 0
        assert root[name][9:].min() == 200


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"gcps": (GroundControlPoint(0, 0, 1, 2),)}, "given by control points or RPCs"),
        ({"masked": True}, "marked empty by a mask, and Zarr holds none of uint8"),
        ({"nodata": 300.0}, "nodata value 300 cannot be stored as uint8"),
    ],
)
def test_what_zarr_has_no_words_for_is_refused(tmp_path, changed, problem):
    description = described(channels=CHANNELS[1:2])
    if "gcps" in changed:
        description = replace(description, geometry=RasterGeometry(SHAPE, **changed))
    else:
        description = description.with_channels([replace(CHANNELS[1], **changed)])
    with pytest.raises(Mistake, match=f"a.zarr cannot be written: .*{problem}.* Write a .tif"):
        create_writer(tmp_path / "a.zarr", description, provenance=MADE)


@pytest.mark.parametrize("form", [2, 3])
def test_a_single_array_is_an_image(tmp_path, form):
    pixels = np.arange(3 * 40 * 60, dtype="u2").reshape(3, 40, 60)
    array = zarr.create_array(
        tmp_path / "a.zarr", data=pixels, chunks=(3, 16, 16), zarr_format=form, fill_value=0
    )
    array.attrs.update({"scale_factor": 0.5, "add_offset": 1.0})
    reader = open_reader(tmp_path / "a.zarr", bands=[3, 1])
    expected = pixels[[2, 0]] * np.float32(0.5) + 1
    if form == 2:  # in which the fill value is xarray's nodata
        expected[1, 0, 0] = np.nan
    window = slice(0, 33), slice(7, 40)
    np.testing.assert_array_equal(reader.read(window), expected[(slice(None), *window)])
    assert reader.description.names == ("3", "1")
    assert reader.description.geometry.transform is None


def test_shards_are_read(tmp_path):
    pixels = np.arange(64 * 96, dtype="i4").reshape(64, 96)
    zarr.create_array(tmp_path / "a.zarr", data=pixels, chunks=(16, 16), shards=(32, 48))
    reader = open_reader(tmp_path / "a.zarr")
    np.testing.assert_array_equal(
        reader.read((slice(20, 50), slice(30, 90))), [pixels[20:50, 30:90]]
    )


@pytest.mark.parametrize("form", [2, 3])
def test_xarrays_datasets_are_read_by_name(tmp_path, form):
    values = np.random.default_rng(0).normal(size=(2, 40, 60)).round(2)
    values[:, :3] = np.nan
    names = "red", "nir"
    dataset = xarray.Dataset(
        {name: (("y", "x"), plane) for name, plane in zip(names, values, strict=True)},
        {"y": 5e6 - 20 * np.arange(40.0), "x": 4e5 + 10 * np.arange(60.0)},
    )
    dataset["spatial_ref"] = ((), 0, {"crs_wkt": UTM.to_wkt()})
    packed = {"dtype": "i2", "scale_factor": 0.01, "_FillValue": -999}
    encoding = {"red": packed, "nir": {"dtype": "f4", "_FillValue": -1e30}}
    dataset.to_zarr(tmp_path / "a.zarr", zarr_format=form, encoding=encoding, consolidated=False)
    reader = open_reader(tmp_path / "a.zarr", bands=["nir", "red"])
    np.testing.assert_allclose(reader.read(whole(reader)), values[::-1], atol=1e-6)
    assert [each.nodata for each in reader.description.channels] == pytest.approx([-1e30, -999])
    geometry = reader.description.geometry
    assert geometry.crs == UTM
    # coordinates are those of centres, half a pixel from the corner
    assert geometry.transform.to_gdal() == (4e5 - 5, 10, 0, 5e6 + 10, 0, -20)
    with pytest.raises(Mistake, match=r"a.zarr holds 2 variables: choose .* from nir, red"):
        open_reader(tmp_path / "a.zarr")


def test_what_gdal_writes_is_read(tmp_path):
    pixels = np.arange(2400, dtype="u2").reshape(1, 40, 60)
    source = save(tmp_path / "a.tif", pixels, crs=UTM, transform=NORTH_UP, nodata=7)
    rasterio.shutil.copy(source, tmp_path / "a.zarr", driver="Zarr")
    reader = open_reader(tmp_path / "a.zarr")
    expected = np.where(pixels == 7, np.nan, pixels).astype("f4")
    np.testing.assert_array_equal(reader.read(whole(reader)), expected)
    assert reader.description.geometry == RasterGeometry((40, 60), UTM, NORTH_UP)


def test_geozarr_in_groups_is_read(tmp_path):
    root = zarr.open_group(tmp_path / "a.zarr", mode="w")
    place = {"proj:code": "EPSG:32633", "spatial:transform": [20, 0, 4e5, 0, -20, 5e6]}
    for group, size in (("r10m", 8), ("r20m", 4)):
        pixels = np.arange(size * size, dtype="u2").reshape(size, size)
        array = root.create_array(f"measurements/{group}/b02", data=pixels)
        array.attrs.update(place)
    reader = open_reader(tmp_path / "a.zarr", bands=["r20m/b02"])
    np.testing.assert_array_equal(reader.read(whole(reader)), [np.arange(16).reshape(4, 4)])
    assert reader.description.names == ("b02",)
    assert reader.description.geometry == RasterGeometry(
        (4, 4), UTM, Affine(20, 0, 4e5, 0, -20, 5e6)
    )
    with pytest.raises(Mistake, match=r"no variable 'b02': choose from measurements/r10m/b02"):
        open_reader(tmp_path / "a.zarr", bands=["b02"])
    with pytest.raises(Mistake, match=r"r10m/b02 and .*r20m/b02 on different grids"):
        open_reader(tmp_path / "a.zarr", bands=["r10m/b02", "r20m/b02"])


def test_series_are_bands(tmp_path):
    pixels = np.arange(2 * 3 * 4 * 5, dtype="f4").reshape(2, 3, 4, 5)
    zarr.create_array(tmp_path / "a.zarr", data=pixels)
    reader = open_reader(tmp_path / "a.zarr", bands=[2, 6])
    np.testing.assert_array_equal(reader.read(whole(reader)), [pixels[0, 1], pixels[1, 2]])


def test_what_is_no_store_is_told_in_one_line(tmp_path):
    (tmp_path / "a.zarr").mkdir()
    with pytest.raises(Mistake, match=r"a.zarr is no Zarr store that can be read"):
        open_reader(tmp_path / "a.zarr")
    zarr.open_group(tmp_path / "b.zarr", mode="w")
    with pytest.raises(Mistake, match=r"b.zarr holds no array of rows and columns"):
        open_reader(tmp_path / "b.zarr")
    with pytest.raises(Mistake, match=r"c.zarr does not exist"):
        open_reader(tmp_path / "c.zarr")


def test_a_damaged_chunk_is_told_in_one_line(tmp_path):
    path = write(tmp_path / "a.zarr", described(), physical(stored()))
    (path / "R" / "0.0").write_bytes(b"damaged")
    with pytest.raises(Mistake, match=r"a.zarr cannot be read at "):
        open_reader(path).read((slice(0, 10), slice(0, 10)))
