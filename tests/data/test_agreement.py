import re
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin
from test_folder import folder


def write(path: Path, names=("red", "nir", "swir"), *, dtype="int16", pixel=30.0, factor=None):
    """Write a scene of three bands of 24 × 24 pixels."""
    values = np.random.default_rng(0).integers(1, 120, (len(names), 24, 24)).astype(dtype)
    profile = {"driver": "GTiff", "count": len(names), "height": 24, "width": 24, "dtype": dtype}
    place = {"crs": "EPSG:32719", "transform": from_origin(3e5, 7e6, pixel, pixel)}
    with rasterio.open(path, "w", **profile, **place) as file:
        file.write(values)
        file.descriptions = names
        if factor:
            file.scales = (factor,) * len(names)


def scenes(root, *, bands=(1, 2, 3), force=(), **odd):
    """Five scenes, of which the first is odd."""
    for number in range(1, 5):
        write(root / f"{number}.tif")
    write(root / "0.tif", **odd)
    return folder(root, bands=list(bands), data_range=120.0, force=force)


ODD = {
    "band_names": (
        {"names": ("swir", "nir", "red")},
        "0.tif has the bands swir, nir, red and most of the files have red, nir, swir, which is",
    ),
    "pixel_size": (
        {"pixel": 15.0},
        "0.tif are 15 × 15 m and most of the files have 30 × 30 m; resample the file or remove it",
    ),
    "dtype": (
        {"dtype": "uint8"},
        "0.tif stores values up to 255 (uint8) and most of the files up to 32767; bring them to",
    ),
}


@pytest.mark.parametrize("check", ODD)
def test_a_file_that_disagrees_is_named_with_what_it_has_and_what_the_others_have(tmp_path, check):
    odd, message = ODD[check]
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        scenes(tmp_path, **odd)
    assert f"force=[{check}] if you know better." in str(error.value)
    with pytest.raises(ValueError, match=re.escape(message)):
        scenes(tmp_path, force=sorted({*ODD} - {check}), **odd)
    axes = scenes(tmp_path, force=[check], **odd).axes
    assert [axis.spacing for axis in axes] == pytest.approx([30, 30])


def test_a_scale_of_its_own_makes_another_unit(tmp_path):
    with pytest.raises(ValueError, match=r"0\.tif stores values up to 3\.2767 \(int16\) and most"):
        scenes(tmp_path, factor=1e-4)


def test_bands_chosen_by_name_may_stand_in_any_order(tmp_path):
    data = scenes(tmp_path, bands=["nir", "red", "swir"], names=("swir", "nir", "red"))
    assert data.channel_names == ("nir", "red", "swir")
    first, other = (data.test[place]["hr"] for place in (0, 1))
    np.testing.assert_array_equal(first[1], other[2])


@pytest.mark.parametrize(
    ("odd", "warned"),
    [
        ({"dtype": "uint16"}, None),
        ({"pixel": 33.0}, None),
        ({"names": (None, None, None)}, None),
        ({"dtype": "float32"}, "1 files have other the type than most, such as"),
        ({"names": ("red", "nir", "swir2")}, "0.tif: red, nir, swir2"),
    ],
)
def test_small_differences_are_taken_and_greater_ones_are_told(tmp_path, caplog, odd, warned):
    assert scenes(tmp_path, **odd).channel_names == ("red", "nir", "swir")
    told = [record.getMessage() for record in caplog.records]
    assert bool(told) == bool(warned)
    assert all(warned in line for line in told)


def test_a_type_too_small_for_the_configured_range_is_refused(tmp_path):
    for number in range(2):
        write(tmp_path / f"{number}.tif", dtype="uint8")
    message = (
        "0.tif stores values up to 255 (uint8) and the configuration speaks of values up to 10000 "
        "(reflectance × 10000); set data.data_range and data.unit, and normaliser and degradation"
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        folder(tmp_path, bands=[1], data_range=10_000.0, unit="reflectance × 10000")
