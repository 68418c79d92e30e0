"""Every raster of the real data, and a file of each format, against the libraries' own reading."""

import h5py
import numpy as np
import pytest
import rasterio
import rasterio.shutil
from rasters import save, whole

from srlab.io import open_reader
from srlab.io.raster.sentinel2.metadata import BANDS

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


def windows(shape):
    """Windows in the corners and in the middle, a row, a column and a pixel."""
    height, width = shape
    down, across = max(height // 3, 1), max(width // 3, 1)
    rows = slice(0, down), slice(height - down, height), slice(down, 2 * down or 1)
    columns = slice(0, across), slice(width - across, width), slice(across, 2 * across or 1)
    yield from zip((*rows, rows[0]), (*columns, columns[1]), strict=True)
    yield slice(height // 2, height // 2 + 1), slice(0, width)
    yield slice(0, height), slice(width // 2, width // 2 + 1)
    yield slice(height - 1, height), slice(width - 1, width)


def by_rasterio(path):
    """Read physical values ``(C, H, W)``, NaN where there are none."""
    with rasterio.open(path) as file:
        values = file.read(masked=True).astype("f8")
        scale, offset = (np.array(each)[:, None, None] for each in (file.scales, file.offsets))
    return np.ma.filled(values * scale + offset, np.nan).astype("f4")


def check(reader, expected):
    assert reader.description.shape == expected.shape[1:]
    for window in windows(reader.description.shape):
        np.testing.assert_array_equal(reader.read(window), expected[(slice(None), *window)])


def test_real_geotiffs_and_pictures_equal_rasterio(shared_data):
    satellite, pictures = shared_data("satellite"), shared_data("rgb/set5")
    paths = [*satellite.rglob("*.tif"), *pictures.rglob("*.png")]
    assert len(paths) >= 25
    for path in paths:
        check(open_reader(path), by_rasterio(path))


def test_real_jpeg_2000_equals_rasterio(shared_data):
    paths = sorted(shared_data("satellite/safe_layout_noise").rglob("*.jp2"))
    assert len(paths) >= 30
    for path in paths:
        check(open_reader(path), by_rasterio(path))


def test_real_product_equals_its_files(shared_data):
    product = next(shared_data("satellite/safe_layout_noise").glob("*.SAFE"))
    for metres in (10, 20, 60):
        files = {path.stem.split("_")[-2]: path for path in product.rglob(f"*_B??_{metres}m.jp2")}
        for band in sorted(set(BANDS) & set(files)):
            stored = by_rasterio(files[band])
            expected = np.where(stored == 0, np.nan, stored - 1000)  # baseline 04.00
            check(open_reader(product, bands=[f"{band}_{metres}m"]), expected)


def test_real_hdf5_equals_h5py(shared_data):
    path = shared_data("satellite/S2A_MSIL1C_20170527_T33UUB.mat")
    with h5py.File(path) as file:
        for name in ("im10", "im20", "im60"):
            check(open_reader(path, bands=[name]), file[name][:].swapaxes(1, 2))


FORMATS = {
    "strips.tif": {"driver": "GTiff", "compress": "lzw"},
    "tiles.tif": {"driver": "GTiff", "tiled": True, "blockxsize": 32, "blockysize": 16},
    "cog.tif": {"driver": "COG", "blocksize": 128},
    "a.vrt": {"driver": "VRT"},
    "a.jp2": {"driver": "JP2OpenJPEG", "reversible": "YES", "quality": 100},
    "a.img": {"driver": "HFA"},
    "a.dat": {"driver": "ENVI", "interleave": "bil"},
    "a.png": {"driver": "PNG"},
    "a.ntf": {"driver": "NITF"},
}


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_of_each_format_equals_rasterio(tmp_path, name):
    stored = np.random.default_rng(0).integers(0, 60_000, (3, 90, 140)).astype("u2")
    stored[:, 20:40, 10:60] = 0
    source = save(tmp_path / "source.tif", stored, nodata=0, crs="EPSG:32633")
    rasterio.shutil.copy(source, tmp_path / name, **FORMATS[name])
    expected = by_rasterio(tmp_path / name)
    np.testing.assert_array_equal(np.nan_to_num(expected), stored)
    check(open_reader(tmp_path / name), expected)


def test_a_map_of_classes_is_refused_and_a_picture_is_not(tmp_path):
    for name, place in (("map.tif", {"crs": "EPSG:32633"}), ("picture.tif", {})):
        save(tmp_path / name, np.zeros((1, 4, 4), "u1"), photometric="palette", **place)
        with rasterio.open(tmp_path / name, "r+") as file:
            file.write_colormap(1, {0: (9, 8, 7, 255)})
    with pytest.raises(ValueError, match=r"map.tif is a map of classes: its values are entries of"):
        open_reader(tmp_path / "map.tif")
    reader = open_reader(tmp_path / "picture.tif")
    assert reader.read(whole(reader))[:, 0, 0].tolist() == [9, 8, 7]


@pytest.mark.parametrize("inside", ["YES", "NO"])
def test_masks_inside_and_beside_a_file_are_read(tmp_path, inside):
    path = save(tmp_path / "a.tif", np.full((2, 20, 30), 5, "u1"))
    valid = np.random.default_rng(0).random((20, 30)) > 0.5
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=inside), rasterio.open(path, "r+") as file:
        file.write_mask(valid)
    assert (tmp_path / "a.tif.msk").exists() == (inside == "NO")
    expected = np.where(valid, np.float32(5), np.float32(np.nan))
    check(open_reader(path), np.stack([expected, expected]))


def test_each_band_has_its_own_nodata_scale_and_type(tmp_path):
    stored = np.arange(12, dtype="u1").reshape(3, 4)
    save(tmp_path / "a.tif", stored[None], nodata=3, stored_as={"scales": (2.0,)})
    save(tmp_path / "b.tif", stored[None].astype("i2") - 5, nodata=-5)
    bands = "".join(
        f'<VRTRasterBand dataType="{word}" band="{number}"><NoDataValue>{nodata}</NoDataValue>'
        f"<Scale>{scale}</Scale><SimpleSource><SourceFilename relativeToVRT='1'>{name}.tif"
        "</SourceFilename><SourceBand>1</SourceBand></SimpleSource></VRTRasterBand>"
        for number, (name, word, nodata, scale) in enumerate(
            [("a", "Byte", 3, 2.0), ("b", "Int16", -5, 1.0)], start=1
        )
    )
    (tmp_path / "c.vrt").write_text(
        f'<VRTDataset rasterXSize="4" rasterYSize="3">{bands}</VRTDataset>'
    )
    reader = open_reader(tmp_path / "c.vrt")
    assert [channel.nodata for channel in reader.description.channels] == [3, -5]
    assert [channel.dtype for channel in reader.description.channels] == ["u1", "i2"]
    expected = np.stack([stored * 2.0, stored - 5.0]).astype("f4")
    expected[0][stored == 3] = np.nan
    expected[1][stored == 0] = np.nan
    check(reader, expected)


def test_what_a_metadata_file_says_of_the_acquisition_is_kept(shared_data):
    tags = open_reader(shared_data("satellite/l8_pan15_ms30/l8_B4.tif")).description.tags
    assert (tags["SATELLITEID"], tags["CLOUDCOVER"]) == ("LANDSAT_8", "11")
