"""Sentinel-2 products, made here with the names and metadata of ESA's specification."""

import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

from srlab.data.finding.files import find_files
from srlab.io import open_reader
from srlab.mistakes import Mistake

PRODUCT = "S2B_MSIL2A_20230610T101559_N0509_R065_T32TQM_20230610T134500.SAFE"
TILE = "T32TQM_20230610T101559"
GRIDS = {
    10: ("B02", "B03", "B04", "B08"),
    20: ("B02", "B05", "B8A", "B11", "SCL"),
    60: ("B01", "B02", "B05"),
}
SIZE = 120  # metres on 10 m pixels: 12 pixels, 6 of 20 m, 2 of 60 m

METADATA = """<?xml version="1.0" encoding="UTF-8"?>
<n1:Level-2A_User_Product xmlns:n1="https://psd-15.sentinel2.eo.esa.int/PSD/User_Product_Level-2A.xsd">
 <n1:General_Info>
  <Product_Info>
   <PRODUCT_URI>{uri}</PRODUCT_URI>
   <PROCESSING_BASELINE>05.09</PROCESSING_BASELINE>
  </Product_Info>
  <Product_Image_Characteristics>
   <QUANTIFICATION_VALUES_LIST>
    <BOA_QUANTIFICATION_VALUE unit="none">{quantification}</BOA_QUANTIFICATION_VALUE>
   </QUANTIFICATION_VALUES_LIST>
   {offsets}
   <Spectral_Information_List>
    <Spectral_Information bandId="1" physicalBand="B2"/>
    <Spectral_Information bandId="8" physicalBand="B8A"/>
   </Spectral_Information_List>
  </Product_Image_Characteristics>
 </n1:General_Info>
</n1:Level-2A_User_Product>
"""


def stored(name, metres):
    """The numbers of a band; a corner holds no data."""
    random = np.random.default_rng([metres, *name.encode()])
    if name == "SCL":
        return random.integers(1, 12, (SIZE // metres, SIZE // metres)).astype(np.uint8)
    values = random.integers(900, 9000, (SIZE // metres, SIZE // metres)).astype(np.uint16)
    values[0, 0] = 0
    return values


def write_jp2(path, values, metres):
    path.parent.mkdir(parents=True, exist_ok=True)
    place = {"crs": "EPSG:32632", "transform": Affine(metres, 0, 6e5, 0, -metres, 51e5)}
    shape = {"count": 1, "height": len(values), "width": len(values), "dtype": values.dtype}
    lossless = {"QUALITY": "100", "REVERSIBLE": "YES"}
    with rasterio.open(path, "w", driver="JP2OpenJPEG", **shape, **place, **lossless) as file:
        file.write(values, 1)


def metadata(quantification="10000", offsets=((1, -1000), (8, -900)), uri=PRODUCT):
    lines = [
        f'<BOA_ADD_OFFSET band_id="{band}">{value}</BOA_ADD_OFFSET>' for band, value in offsets
    ]
    listed = "<BOA_ADD_OFFSET_VALUES_LIST>" + "".join(lines) + "</BOA_ADD_OFFSET_VALUES_LIST>"
    return METADATA.format(uri=uri, quantification=quantification, offsets=listed)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A product of level 2A, of one tile on three grids."""
    product = tmp_path_factory.mktemp("products") / PRODUCT
    images = product / "GRANULE" / "L2A_T32TQM_A032700_20230610T102002" / "IMG_DATA"
    for metres, names in GRIDS.items():
        for name in names:
            path = images / f"R{metres}m" / f"{TILE}_{name}_{metres}m.jp2"
            write_jp2(path, stored(name, metres), metres)
    (product / "MTD_MSIL2A.xml").write_text(metadata())
    (images.parent / "MTD_TL.xml").write_text("<of_the_tile/>")
    return product


@pytest.fixture
def product(made, tmp_path):
    """A copy that a test may change."""
    return Path(shutil.copytree(made, tmp_path / PRODUCT))


def everything(reader):
    return reader.read(tuple(slice(0, size) for size in reader.description.shape))


def reflectance(name, metres, offset):
    values = stored(name, metres).astype(np.float64)
    return np.where(values == 0, np.nan, values + offset)


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_bands_are_read_by_name_in_reflectance(made, tmp_path, kind):
    path = made
    if kind == "zip":
        path = Path(shutil.make_archive(tmp_path / PRODUCT, "zip", made.parent, PRODUCT))
    assert find_files(str(path.parent), [".SAFE", ".zip"]) == [path]
    reader = open_reader(path, bands=["B8A", "B05", "SCL"])
    description = reader.description
    assert (description.names, description.shape) == (("B8A", "B05", "SCL"), (6, 6))
    assert description.pixel_size == (20, 20)
    assert description.geometry.crs.to_epsg() == 32632
    assert description.tags["PROCESSING_BASELINE"] == "05.09"
    expected = [reflectance("B8A", 20, -900), reflectance("B05", 20, 0), stored("SCL", 20)]
    np.testing.assert_array_equal(everything(reader), np.stack(expected))
    window = (slice(1, 4), slice(2, 6))
    copy = pickle.loads(pickle.dumps(reader))
    np.testing.assert_array_equal(copy.read(window), np.stack(expected)[:, 1:4, 2:6])


def test_bands_share_the_finest_grid_on_which_none_is_invented(made):
    cases = [
        (None, ("B02", "B03", "B04", "B08"), 10),
        ([3, 1], ("B04", "B02"), 10),
        (["b2", "B8a"], ("B02", "B8A"), 20),
        (["B02_60m", "B05"], ("B02", "B05"), 60),
        (["B01"], ("B01",), 60),
        (["B02", "B01"], ("B02", "B01"), 60),
    ]
    for bands, names, metres in cases:
        description = open_reader(made, bands=bands).description
        assert (description.names, description.pixel_size) == (names, (metres, metres))


def test_quantification_of_the_product_counts(product):
    (product / "MTD_MSIL2A.xml").write_text(metadata("5000", offsets=[(1, -500)]))
    values = everything(open_reader(product, bands=["B02"]))
    np.testing.assert_array_equal(values[0], 2 * reflectance("B02", 10, -500))


def test_a_product_without_stated_offsets_has_none(product):
    (product / "MTD_MSIL2A.xml").write_text(metadata(offsets=[]))
    values = everything(open_reader(product, bands=["B02"]))
    np.testing.assert_array_equal(values[0], reflectance("B02", 10, 0))


@pytest.mark.parametrize(("baseline", "offset"), [("N0509", -1000), ("N0400", -1000), ("N0301", 0)])
def test_without_metadata_the_baseline_in_the_name_counts(product, baseline, offset, caplog):
    (product / "MTD_MSIL2A.xml").unlink()
    renamed = product.rename(product.with_name(PRODUCT.replace("N0509", baseline)))
    values = everything(open_reader(renamed, bands=["B02"]))
    np.testing.assert_array_equal(values[0], reflectance("B02", 10, offset))
    open_reader(renamed, bands=["B03"])
    assert caplog.text.count("has no MTD_MSIL*.xml; by the processing baseline") == 1


def test_level_1c_knows_its_grids_without_folders(tmp_path):
    images = tmp_path / "a.SAFE" / "GRANULE" / "L1C_T32TQM" / "IMG_DATA"
    for name, metres in (("B02", 10), ("B05", 20), ("B10", 60)):
        write_jp2(images / f"{TILE}_{name}.jp2", stored(name, metres), metres)
    text = (
        metadata(offsets=[(4, -1000)]).replace("BOA_ADD", "RADIO_ADD").replace("BOA_QUANT", "QUANT")
    )
    (tmp_path / "a.SAFE" / "MTD_MSIL1C.xml").write_text(text)
    for name, metres, offset in (("B02", 10, 0), ("B05", 20, -1000), ("B10", 60, 0)):
        reader = open_reader(tmp_path / "a.SAFE", bands=[name])
        assert reader.description.pixel_size == (metres, metres)
        np.testing.assert_array_equal(everything(reader)[0], reflectance(name, metres, offset))


def spoil_metadata(product):
    (product / "MTD_MSIL2A.xml").write_text("<cut")


def lose_the_baseline(product):
    (product / "MTD_MSIL2A.xml").unlink()
    return product.rename(product.with_name("renamed.SAFE"))


def add_a_tile(product):
    (images,) = product.glob("GRANULE/*/IMG_DATA")
    shutil.copytree(images, product / "GRANULE" / "L2A_T32TQN" / "IMG_DATA")


def lose_the_bands(product):
    shutil.rmtree(product / "GRANULE")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (spoil_metadata, r"the metadata of .*SAFE \(MTD_MSIL\*.xml\) are damaged"),
        (lose_the_baseline, "no processing baseline in its name .* the offset .* is unknown"),
        (add_a_tile, "holds several tiles"),
        (lose_the_bands, "holds no band of Sentinel-2"),
    ],
)
def test_a_product_that_is_not_whole_is_refused(product, spoil, message):
    path = spoil(product) or product
    with pytest.raises(Mistake, match=message):
        open_reader(path)


def test_bands_that_are_not_there_are_refused(made):
    cases = [
        (
            ["B12"],
            "has not all of the bands B12 on one grid; it has B02, B03, B04, B08 at 10 m; B02",
        ),
        (["B03", "B05"], "has not all of the bands B03, B05 on one grid"),
        (["B02_10m", "B05_20m"], "has not all of the bands B02_10m, B05_20m on one grid"),
        (["B02_big"], "names no grid; write it as in B05_20m"),
        ([5], "has no band 5; name the bands"),
        ([], "give a list of names"),
    ]
    for bands, message in cases:
        with pytest.raises(Mistake, match=message):
            open_reader(made, bands=bands)


def test_what_is_no_zip_is_refused(tmp_path):
    (tmp_path / "a.zip").write_bytes(b"no zip")
    with pytest.raises(Mistake, match=r"a\.zip is no zip of a SAFE product"):
        open_reader(tmp_path / "a.zip")
