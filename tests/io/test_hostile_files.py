"""Every hostile file: one line that names it, in little time and memory.

See `hostile_files`, `hostile_stacks`, `hostile_arrays` and `hostile_videos`.
"""

import pytest
from hostile_arrays import UNREADABLE_ARRAYS
from hostile_files import ODD, UNREADABLE
from hostile_stacks import ODD_STACKS, UNREADABLE_STACKS
from hostile_videos import UNREADABLE_VIDEOS
from watched_reading import WatchedReading

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

MOST_MEGABYTES = 1024  # a block of `MOST_BLOCK` bytes, GDAL's cache, and the libraries


HARMED = {**UNREADABLE, **UNREADABLE_STACKS, **UNREADABLE_ARRAYS, **UNREADABLE_VIDEOS}
STRANGE = {**ODD, **ODD_STACKS}


@pytest.fixture(scope="module")
def reading():
    reading = WatchedReading()
    yield reading
    reading.close()


@pytest.mark.parametrize("name", HARMED)
def test_what_cannot_be_read_is_told_in_one_line(tmp_path, reading, name):
    HARMED[name](tmp_path / name)
    result = reading(tmp_path / name)
    assert result.kind == "mistake", result
    assert name in result.message
    assert "\n" not in result.message
    assert result.megabytes < MOST_MEGABYTES


@pytest.mark.parametrize("name", STRANGE)
def test_what_is_odd_is_read_or_told(tmp_path, reading, name):
    STRANGE[name](tmp_path / name)
    result = reading(tmp_path / name)
    assert result.kind == "read" or (result.kind == "mistake" and name in result.message), result
    assert result.megabytes < MOST_MEGABYTES
