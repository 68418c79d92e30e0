"""Files are opened and begun by the ends of their names."""

import subprocess
import sys

import numpy as np
import pytest
import rasterio
from PIL import Image

from srlab.io import Provenance, Reader, Writer, create_writer, open_reader
from srlab.io.image.writer import ImageWriter
from srlab.io.raster.reader import RasterReader
from srlab.io.raster.writer import GeoTiffWriter

MADE = Provenance(software="srlab 9.8", model="0a" * 32)


@pytest.fixture
def photo(tmp_path):
    Image.fromarray(np.zeros((4, 5, 3), np.uint8)).save(tmp_path / "a.PNG")
    return tmp_path / "a.PNG"


@pytest.mark.parametrize(
    ("name", "kind"), [("o.TIF", GeoTiffWriter), ("o.png", ImageWriter), ("o.JPEG", ImageWriter)]
)
def test_reader_and_writers_keep_the_protocols(photo, tmp_path, name, kind):
    reader: Reader = open_reader(str(photo), bands=["g"])
    assert isinstance(reader, RasterReader)
    assert reader.description.names == ("G",)
    made = reader.description.scaled((2, 2))
    writer: Writer = create_writer(str(tmp_path / name), made, provenance=MADE, source=photo)
    assert isinstance(writer, kind)
    assert len(writer.chunks) == 2
    writer.prepare()
    writer.write((slice(0, 8), slice(0, 10)), np.zeros((1, 8, 10), np.float32))
    writer.finish()
    assert open_reader(tmp_path / name).description.shape == (8, 10)


def test_what_cannot_be_opened_is_said_in_one_line(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no.tif does not exist: check the spelling"):
        open_reader(tmp_path / "no.tif")
    with pytest.raises(IsADirectoryError, match="is a folder, and a file is wanted"):
        open_reader(tmp_path)
    (tmp_path / "a.docx").write_text("x")
    listed = r"a.docx is of no format that can be read: its name must end in \.tif, \.png, .*README"
    with pytest.raises(ValueError, match=listed):
        open_reader(tmp_path / "a.docx")
    for content in (b"no raster", b""):
        (tmp_path / "a.tif").write_bytes(content)
        with pytest.raises(ValueError, match=r"a.tif is not a raster that GDAL can read"):
            open_reader(tmp_path / "a.tif")


def test_nothing_is_said_of_a_raster_that_opens(tmp_path, caplog):
    """tifffile warns of a float32's least value, which is GDAL's usual nodata, in 64 bits."""
    least = float(np.finfo("f4").min)
    profile = {"width": 8, "height": 8, "count": 1, "dtype": "float32", "nodata": least}
    with rasterio.open(tmp_path / "a.tif", "w", **profile) as file:
        file.write(np.full((1, 8, 8), least, "f4"))
    with caplog.at_level("INFO"):
        reader = open_reader(tmp_path / "a.tif")
    assert np.isnan(reader.read((slice(0, 8), slice(0, 8)))).all()
    assert caplog.messages == []


def test_where_nothing_can_be_written_is_said_before_anything_is(photo, tmp_path):
    like = open_reader(photo).description
    (tmp_path / "old.tif").write_bytes(b"old")

    def create(path, **options):
        return create_writer(path, like, provenance=MADE, source=photo, **options)

    listed = r"of no format that can be written: its name must end in \.png, for example"
    with pytest.raises(ValueError, match=listed):
        create(tmp_path / "o.docx")
    taken = r"old.tif exists: give another name, or overwrite=true"
    with pytest.raises(FileExistsError, match=taken):
        create(tmp_path / "old.tif")
    missing = r"the folder .*missing does not exist: make it first"
    with pytest.raises(FileNotFoundError, match=missing):
        create(tmp_path / "missing" / "a.tif")
    (tmp_path / "folder.tif").mkdir()
    folder = "is a folder, and the name of a file to write is wanted"
    with pytest.raises(IsADirectoryError, match=folder):
        create(tmp_path / "folder.tif")
    itself = r"a.PNG is the input itself: give the output another name"
    with pytest.raises(ValueError, match=itself):
        create(photo, overwrite=True)
    create(tmp_path / "old.tif", overwrite=True)
    assert (tmp_path / "old.tif").read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.PNG", "folder.tif", "old.tif"]


def test_import_is_light():
    code = "import srlab.io, sys; print({'rasterio', 'torch', 'PIL'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "set()"
