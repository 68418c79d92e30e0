"""The memory that reading and writing takes, measured in a process of its own."""

import os
import subprocess
import sys

import h5py
import pytest
import rasterio
import zarr

SIDE = 32_768
"""Of a band of 2 GB of 16-bit numbers."""

MEASURE = """
import resource, sys
import numpy as np
from srlab.io import Axis, Channel, Description, Provenance, create_writer, open_reader

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

def windows(side, step):
    for row in range(0, side, step):
        for column in range(0, side, step):
            yield slice(row, row + step), slice(column, column + step)

how, path, side, step = sys.argv[1], sys.argv[2], int(sys.argv[3]), 2048
first, *others = windows(side, step)
if how == "read":
    reader = open_reader(path)
    assert reader.description.shape == (side, side)
    each = reader.read
else:
    channel = Channel("1", dtype=np.dtype("u2"))
    description = Description((side, side), (Axis("y"), Axis("x")), (channel,))
    writer = create_writer(path, description, provenance=Provenance("srlab", "0"))
    writer.prepare()
    block = np.ones((1, step, step), np.float32)
    each = lambda window: writer.write(window, block)
each(first)
before = peak()
for window in others:
    each(window)
if how == "write":
    writer.finish()
print(peak() - before)
"""


def growth(how, path, side):
    """Return megabytes by which memory grows from the first window of 2048² pixels to the last."""
    environment = {key: value for key, value in os.environ.items() if key != "GDAL_CACHEMAX"}
    run = subprocess.run(
        [sys.executable, "-c", MEASURE, how, path, str(side)],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    return float(run.stdout)


def empty_raster(path, side):
    """Create a raster that takes no room, since none of its blocks is written."""
    if path.suffix == ".h5":
        with h5py.File(path, "w") as file:
            file.create_dataset("a", (side, side), "u2", chunks=(512, 512), fillvalue=7)
    elif path.suffix == ".zarr":
        zarr.create_array(path, shape=(side, side), chunks=(512, 512), dtype="u2", fill_value=7)
    else:
        profile = {"driver": "GTiff", "width": side, "height": side, "count": 1, "dtype": "uint16"}
        layout = {"tiled": True, "compress": "deflate", "sparse_ok": True}
        with rasterio.open(path, "w", **profile, **layout):
            pass
    return path


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("a.tif", SIDE // 2),
        pytest.param("a.tif", SIDE, marks=pytest.mark.slow),
        pytest.param("a.h5", SIDE, marks=pytest.mark.slow),
        pytest.param("a.zarr", SIDE, marks=pytest.mark.slow),
    ],
)
def test_memory_does_not_grow_with_the_file_that_is_read(tmp_path, name, side):
    assert growth("read", empty_raster(tmp_path / name, side), side) < 200


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a.tif", "a.zarr"])
def test_memory_does_not_grow_with_the_file_that_is_written(tmp_path, name):
    assert growth("write", tmp_path / name, SIDE) < 200
