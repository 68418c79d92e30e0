"""Tags of an input in the output: true there, or absent."""

import numpy as np
import pytest
import rasterio
import tifffile
from rasters import write

from srlab.io.raster.reader import RasterReader
from srlab.io.raster.tags import lasting

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

TRUE = {
    "PLATFORM": "S2A",
    "AREA_OR_POINT": "Area",
    "CLOUD_COVERAGE": "3",
    "BANDWIDTH": "30 nm",
    "FLYING_HEIGHT": "900",
    "RADIANCE_MAXIMUM_BAND_4": "640",
    "EXIF_FNumber": "(2.8)",
    "EXIF_GPSLatitude": "(48) (8) (0)",
    "TIFFTAG_IMAGEDESCRIPTION": "Harbour of Hamburg, in 1912",
    "TIFFTAG_ARTIST": "N. N.",
    "comment": "a=b",
}

STALE = {
    "EXIF_PixelXDimension": "9",
    "EXIF_FocalPlaneXResolution": "(100)",
    "EXIF_XResolution": "(300)",
    "EXIF_ResolutionUnit": "2",
    "EXIF_SubjectArea": "4 4 2 2",
    "EXIF_Orientation": "6",
    "EXIF_MakerNote": "0x01",
    "EXIF_RelatedImageWidth": "9",
    "TIFFTAG_XRESOLUTION": "300",
    "TIFFTAG_RESOLUTIONUNIT": "2",
    "TIFFTAG_MAXSAMPLEVALUE": "800",
    "STATISTICS_APPROXIMATE": "YES",
    "STATISTICS_STDDEV": "3",
    "NODATA_VALUES": "1 2 3",
    "GSD": "0.1",
    "PIXEL_SIZE_X": "10",
    "NC_GLOBAL#geospatial_lat_resolution": "0.25",
    "lat#actual_range": "{1,2}",
    "png:IHDR.width": "9",
    "NITF_BLOCKA_L_LINES_01": "00512",
    "nrows": "8",
    "Description": "ImageJ=1.54f\nunit=um\n",
    "xml": '<?xml version="1.0"?><ome:OME UUID="a"/>',
}


def test_tags_about_pixels_are_left_out_and_no_others():
    assert lasting(TRUE | STALE) == TRUE


@pytest.mark.parametrize(
    "text",
    [
        "Aperio Image Library v10\n46000x32914 |AppMag = 20|MPP = 0.4990",
        '{"shape": [8, 9], "axes": "YX"}',
        '<MetaData><PlaneInfo><prop id="spatial-calibration-x" value="0.2"/></PlaneInfo>',
        "SI.hRoiManager.pixelsPerLine = 512",
    ],
    ids=["slide", "tifffile", "MetaMorph", "ScanImage"],
)
def test_descriptions_that_programs_wrote_are_left_out(text):
    assert lasting({"TIFFTAG_IMAGEDESCRIPTION": text}) == {}


def test_the_note_of_an_earlier_model_is_left_out_and_the_same_words_of_others_are_not():
    earlier = {"MODEL_SHA256": "0a", "SETTINGS": "{}", "PLATFORM": "S2A"}
    assert lasting(earlier) == {"PLATFORM": "S2A"}
    assert lasting({"SETTINGS": "ISO 100"}) == {"SETTINGS": "ISO 100"}


@pytest.mark.parametrize(
    ("kind", "metadata"),
    [("imagej", {"unit": "um"}), ("ome", {"PhysicalSizeX": 0.2, "PhysicalSizeXUnit": "µm"})],
    ids=["ImageJ", "OME"],
)
def test_microscopy_files_leave_no_stale_size_in_the_output(tmp_path, kind, metadata):
    metadata = {"axes": "YX", **metadata}
    pixels = np.zeros((6, 8), np.uint16)
    given = {kind: True, "resolution": (5.0, 5.0), "metadata": metadata}
    tifffile.imwrite(tmp_path / "a.tif", pixels, **given)
    description = RasterReader(tmp_path / "a.tif").description.scaled((2, 2))
    write(tmp_path / "out.tif", description, np.zeros((1, 12, 16), np.float32)).close()
    with tifffile.TiffFile(tmp_path / "out.tif") as file:
        assert file.imagej_metadata is None
        assert file.ome_metadata is None
        names = {tag.name for tag in file.pages[0].tags}
    assert not names & {"XResolution", "YResolution", "ResolutionUnit", "ImageDescription"}


def test_statistics_of_a_band_are_left_out(tmp_path):
    sizes = {"count": 1, "height": 6, "width": 8, "dtype": "uint8"}
    with rasterio.open(tmp_path / "a.tif", "w", driver="GTiff", **sizes) as file:
        file.write(np.eye(6, 8, dtype=np.uint8)[None])
        file.stats()
        file.update_tags(1, STATISTICS_MAXIMUM="1", WAVELENGTH="490")
    description = RasterReader(tmp_path / "a.tif").description
    with write(tmp_path / "out.tif", description, np.zeros((1, 6, 8), np.float32)) as file:
        assert file.tags(1) == {"WAVELENGTH": "490"}
