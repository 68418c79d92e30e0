"""netCDF, HDF5 and ENVI files, against scipy's netCDF reader, h5py and numpy."""

import pickle

import h5py
import numpy as np
import pytest
import rasterio
from rasters import whole
from scipy.io import netcdf_file

from srlab.io import open_reader
from srlab.mistakes import Mistake

RNG = np.random.default_rng(0)
STORED = RNG.integers(-900, 900, (3, 40, 60)).astype(np.int16)
SCALE, OFFSET, FILL = 0.5, -3.0, np.int16(7)
STORED[:, 5, :4] = FILL


def in_physical_units(stored):
    """CF conventions 1.11, sections 2.5.1 and 8.1."""
    return np.where(stored == FILL, np.nan, stored * SCALE + OFFSET).astype(np.float32)


@pytest.fixture
def netcdf(tmp_path):
    """Two variables with rows from south to north, and coordinates of the pixels' centres."""
    with netcdf_file(tmp_path / "a.nc", "w") as file:
        file.platform = b"S9"
        for name, unit, start, size in (("y", "m", 5e6, 40), ("x", "m", 4e5, 60)):
            file.createDimension(name, size)
            axis = file.createVariable(name, "f8", (name,))
            axis[:] = start + 5 + 10 * np.arange(size)
            axis.units, axis.standard_name = unit, f"projection_{name}_coordinate".encode()
        for number, name in enumerate(("rain", "snow")):
            variable = file.createVariable(name, "i2", ("y", "x"))
            variable[:] = STORED[number]
            variable.scale_factor, variable.add_offset = SCALE, OFFSET
            variable._FillValue, variable.units = FILL, b"kg"
    return tmp_path / "a.nc"


@pytest.fixture
def hdf5(tmp_path):
    """A cube of two bands, and a finer grid in a group."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for name, array in (("cube", STORED[:2]), ("fine/grid", STORED[2])):
            data = file.create_dataset(name, data=array, compression="gzip")
            attributes = {"scale_factor": SCALE, "add_offset": OFFSET, "_FillValue": FILL}
            data.attrs.update(attributes | {"units": "kg"})
        file["fine/half"] = STORED[2, ::2]
        file["numbers"] = np.arange(5)
    return tmp_path / "a.h5"


def test_netcdf_variables_are_bands_in_physical_units(netcdf):
    reader = pickle.loads(pickle.dumps(open_reader(netcdf, bands=["snow", "rain"])))
    description = reader.description
    assert description.names == ("snow", "rain")
    first = description.channels[0]
    assert (first.unit, first.dtype, first.scale, first.offset, first.nodata) == (
        *("kg", np.int16, SCALE, OFFSET, FILL),
    )
    assert description.tags == {"NC_GLOBAL#platform": "S9"}
    # the northernmost row comes first, and the corner lies half a pixel from its centre
    assert description.geometry.transform.to_gdal() == (4e5, 10, 0, 5e6 + 400, 0, -10)
    expected = in_physical_units(STORED[[1, 0], ::-1])
    for window in ((slice(0, 40), slice(0, 60)), (slice(30, 40), slice(1, 9))):
        np.testing.assert_array_equal(reader.read(window), expected[(slice(None), *window)])


def test_hdf5_arrays_are_found_by_name_and_band(hdf5):
    reader = open_reader(hdf5, bands=["cube:2", "grid", "cube:1"])
    assert reader.description.names == ("cube:2", "grid", "cube:1")
    assert reader.description.channels[1].unit == "kg"
    expected = in_physical_units(STORED[[1, 2, 0]])
    np.testing.assert_array_equal(reader.read(whole(reader)), expected)
    assert open_reader(hdf5, bands=["cube"]).description.names == ("cube:1", "cube:2")


def test_the_only_variable_needs_no_choice(tmp_path):
    with h5py.File(tmp_path / "a.he5", "w") as file:
        file["deep/down"] = STORED
    reader = open_reader(tmp_path / "a.he5", bands=[3, 1])
    np.testing.assert_array_equal(reader.read(whole(reader)), STORED[[2, 0]].astype(np.float32))


def test_a_choice_that_does_not_fit_lists_what_there_is(hdf5):
    cases = [
        (None, r"a.h5 holds 3 variables: choose with bands=\[…\] from cube \(2 bands, as cube:1\)"),
        ([1], r"holds 3 variables: choose"),
        (["none"], r"has no variable 'none': choose from cube .*, fine/grid, fine/half\."),
        (["cube:3"], r"has no band 3 of cube: its bands are 1 to 2"),
        (["grid", "half"], r"has fine/grid and fine/half on different grids"),
        ([], r"bands is \[\]; give a list of names, such as \[cube\]"),
    ]
    for bands, message in cases:
        with pytest.raises(Mistake, match=message):
            open_reader(hdf5, bands=bands)


def test_a_file_that_is_none_is_told_in_one_line(tmp_path):
    (tmp_path / "a.nc").write_bytes(b"no image")
    with pytest.raises(Mistake, match=r"a.nc cannot be read as netCDF or HDF5 \("):
        open_reader(tmp_path / "a.nc")
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["numbers"] = np.arange(5)
    with pytest.raises(Mistake, match=r"b.h5 holds no array of rows and columns"):
        open_reader(tmp_path / "b.h5")


@pytest.mark.parametrize("order", ["bsq", "bil", "bip"])
def test_envi_equals_numpy(tmp_path, order):
    path = tmp_path / f"a.{order if order != 'bil' else 'dat'}"
    axes = {"bsq": (0, 1, 2), "bil": (1, 0, 2), "bip": (1, 2, 0)}[order]
    path.write_bytes(STORED.transpose(axes).astype("<i2").tobytes())
    path.with_suffix(".hdr").write_text(
        "ENVI\nsamples = 60\nlines = 40\nbands = 3\nheader offset = 0\ndata type = 2\n"
        f"interleave = {order}\nbyte order = 0\nband names = {{B02, B03, B04}}\n"
        "data ignore value = 7\nmap info = {UTM, 1, 1, 400000, 5000400, 10, 10, 33, North, WGS-84}"
    )
    reader = open_reader(path, bands=["B04", "B02"])
    assert reader.description.geometry.transform.to_gdal() == (4e5, 10, 0, 5e6 + 400, 0, -10)
    assert reader.description.geometry.crs == rasterio.crs.CRS.from_epsg(32633)
    expected = np.where(STORED == 7, np.nan, STORED).astype(np.float32)[[2, 0]]
    np.testing.assert_array_equal(reader.read(whole(reader)), expected)


def test_matlab_arrays_are_turned_as_matlab_shows_them(shared_data):
    path = shared_data("satellite/S2A_MSIL1C_20170527_T33UUB.mat")
    reader = open_reader(path, bands=["im20:6", "im20:1"])
    with h5py.File(path) as file:
        expected = file["im20"][[0, 5]][::-1].swapaxes(1, 2)
    assert reader.description.shape == (300, 300)
    np.testing.assert_array_equal(reader.read(whole(reader)), expected)
    window = slice(10, 60), slice(200, 290)
    np.testing.assert_array_equal(reader.read(window), expected[(slice(None), *window)])


def test_gdals_own_name_of_a_variable_is_the_same(netcdf):
    named, chosen = open_reader(f'NETCDF:"{netcdf}":rain'), open_reader(netcdf, bands=["rain"])
    np.testing.assert_array_equal(named.read(whole(named)), chosen.read(whole(chosen)))


def test_notes_of_how_values_are_stored_are_no_tags(netcdf):
    (channel,) = open_reader(netcdf, bands=["rain"]).description.channels
    assert channel.tags == {}


def test_the_crs_that_older_releases_of_xarray_note_is_read(tmp_path):
    with netcdf_file(tmp_path / "a.nc", "w") as file:
        for name, start, step, size in (("y", 4.7e6, -10, 4), ("x", 6e5, 10, 6)):
            file.createDimension(name, size)
            axis = file.createVariable(name, "f8", (name,))
            axis[:] = start + step * (np.arange(size) + 0.5)
            axis.standard_name = f"projection_{name}_coordinate".encode()
        variable = file.createVariable("__xarray_dataarray_variable__", "f4", ("y", "x"))
        variable[:] = STORED[0, :4, :6]
        variable.crs = b"+init=epsg:32719"
    description = open_reader(tmp_path / "a.nc").description
    assert description.names == ("1",)
    assert description.geometry.crs == rasterio.crs.CRS.from_epsg(32719)
    assert description.geometry.pixel_size == (10, 10)
