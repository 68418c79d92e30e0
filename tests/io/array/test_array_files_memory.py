"""Arrays of 2 GB take no more memory than small ones."""

import zipfile

import pytest
from hostile_arrays import header
from test_raster_memory import SIDE, growth


def empty_array(path):
    """Write zeros: without taking room as an ``.npy``, and compressed as an ``.npz``."""
    content = header((SIDE, SIDE), "<u2")
    if path.suffix == ".npy":
        path.write_bytes(content)
        with path.open("r+b") as file:
            file.truncate(len(content) + SIDE * SIDE * 2)
        return path
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("a.npy", "w", force_zip64=True) as file,
    ):
        file.write(content)
        for _ in range(SIDE):
            file.write(bytes(SIDE * 2))
    return path


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_memory_does_not_grow_with_the_array_that_is_read(tmp_path, name):
    assert growth("read", empty_array(tmp_path / name), SIDE) < 200


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.yx.zarr"])
def test_memory_does_not_grow_with_the_array_that_is_written(tmp_path, name):
    assert growth("write", tmp_path / name, SIDE) < 200
