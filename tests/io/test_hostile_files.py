"""Every hostile file: one line that names it, in little time and memory.

See `hostile_files`, `hostile_stacks`, `hostile_arrays` and `hostile_videos`.
"""

import re

import pytest
from hostile_arrays import UNREADABLE_ARRAYS
from hostile_files import ODD, UNREADABLE
from hostile_stacks import ODD_STACKS, UNREADABLE_STACKS
from hostile_videos import UNREADABLE_VIDEOS
from watched_reading import WatchedReading

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

MOST_MEGABYTES = 1024  # a block of `MOST_BLOCK` bytes, GDAL's cache, and the libraries

ADVICE = re.compile(
    r"[:;.,] (or )?(check|convert|copy|cut|export|give|name|put|save|set|store|unpack|write"
    r"|its name must) ",
    re.IGNORECASE,
)
"""What to do, behind what was got and what was wanted."""

HARMED = {
    "pictures and rasters": UNREADABLE,
    "stacks and volumes": UNREADABLE_STACKS,
    "arrays": UNREADABLE_ARRAYS,
    "videos": UNREADABLE_VIDEOS,
}
STRANGE = {"pictures and rasters": ODD, "stacks and volumes": ODD_STACKS}


@pytest.fixture(scope="module")
def reading():
    reading = WatchedReading()
    yield reading
    reading.close()


def told(result, name):
    """Whether reading ended in one line that names the file and says what to do, within memory."""
    one_line = name in result.message and "\n" not in result.message
    whole = one_line and ADVICE.search(result.message) is not None
    return result.kind == "mistake" and whole and result.megabytes < MOST_MEGABYTES


@pytest.mark.parametrize("files", HARMED)
def test_what_cannot_be_read_is_told_in_one_line(tmp_path, reading, files):
    results = {}
    for name, write in HARMED[files].items():
        write(tmp_path / name)
        results[name] = reading(tmp_path / name)
    assert results
    assert {name: result for name, result in results.items() if not told(result, name)} == {}


@pytest.mark.parametrize("files", STRANGE)
def test_what_is_odd_is_read_or_told(tmp_path, reading, files):
    results = {}
    for name, write in STRANGE[files].items():
        write(tmp_path / name)
        results[name] = reading(tmp_path / name)
    assert results
    for name, result in results.items():
        assert result.kind == "read" or told(result, name), result
        assert result.megabytes < MOST_MEGABYTES, name
