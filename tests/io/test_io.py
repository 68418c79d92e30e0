"""Formats by the ends of their names."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from srlab.io import Provenance, Reader, Writer, create_writer, open_reader
from srlab.io.array.memory import ArrayReader
from srlab.io.image.writer import ImageWriter
from srlab.io.raster.reader import RasterReader, RasterWriter

MADE = Provenance(software="srlab 9.8", model="0a" * 32)


@pytest.fixture
def photo(tmp_path):
    Image.fromarray(np.zeros((4, 5, 3), np.uint8)).save(tmp_path / "a.PNG")
    return tmp_path / "a.PNG"


def test_reader_and_writers_keep_the_protocols(photo, tmp_path):
    reader: Reader = open_reader(str(photo), bands=["g"])
    assert isinstance(reader, RasterReader)
    assert reader.channels == ("G",)
    for name, kind in (("o.TIF", RasterWriter), ("o.png", ImageWriter), ("o.JPEG", ImageWriter)):
        writer: Writer = create_writer(
            str(tmp_path / name), like=reader, scale=(2, 2), provenance=MADE
        )
        assert isinstance(writer, kind)
        writer.write((slice(0, 8), slice(0, 10)), np.zeros((1, 8, 10), np.float32))
        writer.close()
        assert open_reader(tmp_path / name).shape == (8, 10)


def test_what_cannot_be_opened_is_said_in_one_line(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no.tif does not exist: check the spelling"):
        open_reader(tmp_path / "no.tif")
    with pytest.raises(IsADirectoryError, match="is a folder, and a file is wanted"):
        open_reader(tmp_path)
    (tmp_path / "a.docx").write_text("x")
    with pytest.raises(
        ValueError, match=r"a.docx is of no format that can be read: .* \.tif, \.tiff, .* or \.pgm"
    ):
        open_reader(tmp_path / "a.docx")
    (tmp_path / "a.tif").write_text("no raster")
    with pytest.raises(ValueError, match=r"a.tif is not a raster that GDAL can read"):
        open_reader(tmp_path / "a.tif")
    (tmp_path / "b.tif").write_bytes(b"")
    with pytest.raises(ValueError, match=r"b.tif is not a raster that GDAL can read"):
        open_reader(tmp_path / "b.tif")


def test_what_cannot_be_written_is_said_in_one_line(photo, tmp_path):
    like = open_reader(photo)
    with pytest.raises(
        ValueError,
        match=r"of no format that can be written: .* \.tif, \.tiff, \.png, \.jpg or \.jpeg",
    ):
        create_writer(tmp_path / "o.bmp", like=like, scale=(2, 2), provenance=MADE)
    volume = ArrayReader(np.zeros((1, 2, 2, 2), np.float32), name="scan")
    with pytest.raises(
        ValueError,
        match=r"o.tif would be an image, but scan is none: write the format of the input",
    ):
        create_writer(tmp_path / "o.tif", like=volume, scale=(2, 2, 2), provenance=MADE)
    with pytest.raises(FileExistsError, match="overwrite=true"):
        create_writer(
            photo.parent / "a.PNG", like=open_reader(_copy(photo)), scale=(2, 2), provenance=MADE
        )


def _copy(photo: Path) -> Path:
    copy = photo.with_name("b.png")
    copy.write_bytes(photo.read_bytes())
    return copy


def test_import_is_light():
    code = "import srlab.io, sys; print({'rasterio', 'torch', 'PIL'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "set()"
