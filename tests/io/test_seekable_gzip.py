"""Places of a gzip file: what is read there, in any order."""

import gzip

import numpy as np
import pytest

from srlab.io.seekable_gzip import PART, SeekableGzip

CONTENT = np.random.default_rng(0).integers(0, 9, 2 * PART + 5000, dtype=np.uint8).tobytes()


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(CONTENT, 1))
    return SeekableGzip(path)


def test_any_place_holds_what_gzip_unpacks_there(file):
    cases = [
        *((2 * PART - 7, 100), (0, 10), (PART - 3, PART + 9), (PART, PART), (0, len(CONTENT))),
        *((len(CONTENT) - 4, 100), (len(CONTENT) + 3 * PART, 5), (70, 0)),
    ]
    for place, size in cases:
        for _ in range(2):  # the second time it is kept
            file.seek(place)
            assert file.read(size) == CONTENT[place : place + size]
        assert file.tell() == min(place + size, max(len(CONTENT), place))
