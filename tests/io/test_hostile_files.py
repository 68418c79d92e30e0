"""Every hostile file: one line that names it, in little time and memory; see `hostile_files`."""

import pytest
from hostile_files import ODD, UNREADABLE
from watched_reading import WatchedReading

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

MOST_MEGABYTES = 1024  # a block of `MOST_BLOCK` bytes, GDAL's cache, and the libraries


@pytest.fixture(scope="module")
def reading():
    reading = WatchedReading()
    yield reading
    reading.close()


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_read_is_told_in_one_line(tmp_path, reading, name):
    UNREADABLE[name](tmp_path / name)
    result = reading(tmp_path / name)
    assert result.kind == "mistake", result
    assert name in result.message
    assert "\n" not in result.message
    assert result.megabytes < MOST_MEGABYTES


@pytest.mark.parametrize("name", ODD)
def test_what_is_odd_is_read_or_told(tmp_path, reading, name):
    ODD[name](tmp_path / name)
    result = reading(tmp_path / name)
    assert result.kind == "read" or (result.kind == "mistake" and name in result.message), result
    assert result.megabytes < MOST_MEGABYTES
