"""Names that GDAL resolves: in archives, at URLs, and parts of files."""

import pickle
import re
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from rasters import save, whole
from scipy.io import netcdf_file

from srlab.data import Folder
from srlab.data.splits import WholeFiles
from srlab.degradations import Bicubic
from srlab.files import is_remote
from srlab.io import open_reader
from srlab.mistakes import Mistake

PIXELS = np.random.default_rng(0).integers(1, 255, (3, 40, 90), np.uint8)

SERVER = """
import http.server, pathlib, sys

class Ranged(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        path = pathlib.Path(self.translate_path(self.path))
        if not path.is_file():
            return self.send_error(404)
        data = path.read_bytes()
        first, last = 0, len(data) - 1
        wanted = self.headers.get("Range")
        if wanted:
            first, end = wanted.removeprefix("bytes=").split("-")
            first, last = int(first), min(int(end or last), last)
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
        self.send_header("Content-Length", str(last - first + 1))
        self.end_headers()
        self.wfile.write(data[first : last + 1])

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Ranged)
print(server.server_port, flush=True)
server.serve_forever()
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a GeoTIFF, the same in an archive, and a netCDF file of two variables."""
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "a.tif", PIXELS, photometric="RGB")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write("a.tif", "in/b.tif")
    with netcdf_file("c.nc", "w") as file:
        for name, size in (("y", 40), ("x", 90)):
            file.createDimension(name, size)
        for number, name in enumerate(("rain", "snow")):
            file.createVariable(name, "f4", ("y", "x"))[:] = PIXELS[number]
    return tmp_path


@pytest.fixture
def address(folder, monkeypatch):
    """An HTTP server of the folder, which also answers as an S3 endpoint."""
    command = [sys.executable, "-c", SERVER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        host = f"127.0.0.1:{server.stdout.readline().strip()}"
        monkeypatch.setenv("AWS_S3_ENDPOINT", host)
        settings = {"HTTPS": "NO", "VIRTUAL_HOSTING": "FALSE", "NO_SIGN_REQUEST": "YES"}
        for name, value in settings.items():
            monkeypatch.setenv(f"AWS_{name}", value)
        yield f"http://{host}"
        server.kill()


def pixels(name):
    reader = open_reader(name)
    again = pickle.loads(pickle.dumps(reader))  # as for a loader worker
    found = again.read(whole(again))
    np.testing.assert_array_equal(found, reader.read(whole(reader)))
    return found


@pytest.mark.parametrize("name", ["/vsizip/a.zip/in/b.tif", "zip://{folder}/a.zip!in/b.tif"])
def test_a_file_in_an_archive_is_read(folder, name):
    np.testing.assert_array_equal(pixels(name.format(folder=folder)), PIXELS)


@pytest.mark.parametrize(
    "name",
    [
        "{}/a.tif",
        "/vsicurl/{}/a.tif",
        "{}/a.tif?token=1",
        "zip+{}/a.zip!in/b.tif",
        "s3://bucket/a.tif",
    ],
)
def test_a_file_at_a_url_is_read(folder, address, name):
    (folder / "bucket").symlink_to(folder)
    np.testing.assert_array_equal(pixels(name.format(address)), PIXELS)


def test_a_part_of_a_file_is_read_and_a_file_of_parts_names_them(folder):
    upwards = PIXELS[1:2, ::-1]  # the rows of a netCDF file begin at the bottom
    np.testing.assert_array_equal(pixels('NETCDF:"c.nc":snow'), upwards)
    with pytest.raises(Mistake, match=r"c.nc holds 2 variables: choose .* from rain, snow"):
        open_reader("c.nc")


def test_what_gdal_cannot_open_is_told_in_one_line():
    cases = [
        "/vsizip/none.zip/a.tif",
        "https://127.0.0.1:1/a.tif",
        'NETCDF:"none.nc":rain',
        "s4://b/a.tif",
    ]
    for name in cases:
        with pytest.raises(Mistake, match=f"{re.escape(name)} is not a raster that GDAL can read"):
            open_reader(name)


def test_a_file_that_is_there_counts_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert is_remote("NETCDF:a.tif")
    save(tmp_path / "NETCDF:a.tif", PIXELS)
    assert not is_remote("NETCDF:a.tif")
    np.testing.assert_array_equal(pixels("NETCDF:a.tif"), PIXELS)
    assert not any(map(is_remote, ["a.tif", "./https:/a.tif", "s3:a.tif", "/data/vsizip/a.tif"]))


def test_training_reads_crops_from_an_archive(folder):
    shape = {
        "scale": 2,
        "spatial_dims": 2,
        "crop_size": 16,
        "symmetries": [],
        "valid_share": 0,
        "weighting": "none",
        "mask": None,
        "hidden_classes": [0],
        "channel_dropout": 0.0,
        "intensity_jitter": 0.0,
        "test_size": None,
    }
    values = {"unit": "8-bit value", "data_range": 255.0, "seed": 0, "bands": [1, 2, 3]}
    held_out = {"split": WholeFiles(fraction=0.5), "validation_size": 16, "validation_views": 2}
    source = Folder(
        root="/vsizip/a.zip/in/b.tif",
        suffixes=[".tif"],
        degradation=Bicubic(scale=2),
        **shape | values | held_out,
    )
    (whole_image,) = [source.test[0]["hr"].numpy()]
    np.testing.assert_array_equal(whole_image, PIXELS)
    crop = source.training[3]["hr"].numpy()
    windows = np.lib.stride_tricks.sliding_window_view(PIXELS, crop.shape)
    assert (windows == crop).all(axis=(-3, -2, -1)).any()
