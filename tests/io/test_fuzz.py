"""Bytes flipped by chance in every kind of file: it reads, or one line says what is wrong."""

import numpy as np
import pytest
from small_files import KINDS, write_small_file
from watched_reading import WatchedReading

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

MOST_MEGABYTES = 1024  # a block of `MOST_BLOCK` bytes, GDAL's cache, and the libraries
EXTREMES = (b"\0", b"\xff", b"\x7f", b"\x80", b"\1")


def mutant(content, random):
    """Return a file that differs from a valid one in a few bytes, more often near its ends."""
    changed = bytearray(content)
    for _ in range(random.integers(1, 9)):
        near = min(len(changed), int(random.choice([64, 512, len(changed)])))
        place = int(random.integers(near))
        if random.random() < 0.2:
            place = len(changed) - 1 - place
        length = int(random.choice([1, 1, 1, 2, 4, 8]))
        new = random.bytes(length)
        if random.random() < 0.3:
            new = EXTREMES[random.integers(len(EXTREMES))] * length
        changed[place : place + length] = new[: len(changed) - place]
    if random.random() < 0.1:
        del changed[int(random.integers(len(changed))) :]
    return bytes(changed)


@pytest.fixture(scope="module")
def reading():
    reading = WatchedReading()
    yield reading
    reading.close()


def failures(reading, folder, name, number, seed=0):
    """Return the mutants that neither read nor are named in one line, by their numbers."""
    random = np.random.default_rng([seed, *name.encode()])
    path = folder / name
    write_small_file(path)
    files = sorted(each for each in path.rglob("*") if each.is_file()) or [path]
    assert reading(path).kind == "read"
    wrong = {}
    for at in range(number):
        file = files[random.integers(len(files))]
        content = file.read_bytes()
        changed = mutant(content, random)
        file.write_bytes(changed)
        result = reading(path)
        file.write_bytes(content)
        named = result.kind == "mistake" and name in result.message and "\n" not in result.message
        if not (result.kind == "read" or named) or result.megabytes > MOST_MEGABYTES:
            wrong[at] = result
            folder.joinpath(f"wrong_{at}_{file.name}").write_bytes(changed)
    return wrong


@pytest.mark.parametrize("name", KINDS)
def test_damage_by_chance_is_read_or_told(tmp_path, reading, name):
    assert failures(reading, tmp_path, name, 20) == {}


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_much_damage_by_chance_is_read_or_told(tmp_path, reading, name):
    assert failures(reading, tmp_path, name, 500, seed=1) == {}
