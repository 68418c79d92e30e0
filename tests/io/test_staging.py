"""Blocks on the disk between their writing and the encoding."""

import os
from collections import namedtuple

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import srlab.io.staging
from srlab.io.staging import Staging


@st.composite
def windows(draw, shape):
    """A window of each axis, or all of it."""
    parts = []
    for size in shape:
        start, stop = sorted(draw(st.lists(st.integers(0, size), min_size=2, max_size=2)))
        parts.append(draw(st.sampled_from([slice(0, size), slice(start, max(stop, start + 1))])))
    return tuple(
        slice(min(part.start, size - 1), min(part.stop, size))
        for part, size in zip(parts, shape, strict=True)
    )


@given(data=st.data(), dtype=st.sampled_from(["uint8", "int16", "float64"]))
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None
)
def test_blocks_lie_where_they_would_in_an_array(tmp_path, data, dtype):
    shape = data.draw(st.lists(st.integers(1, 6), min_size=2, max_size=3).map(tuple))
    staging = Staging(tmp_path / "out.tif", 3, shape, np.dtype(dtype))
    staging.prepare()
    expected = np.zeros((3, *shape), dtype)
    for number in range(1, 5):
        window, first = data.draw(windows(shape)), data.draw(st.integers(0, 2))
        place = (slice(first, 3), *window)
        block = np.arange(expected[place].size).reshape(expected[place].shape) + number
        staging.write(window, block.astype(dtype), first=first)
        expected[place] = block
    whole = tuple(slice(0, size) for size in shape)
    np.testing.assert_array_equal(staging.read(whole), expected)
    assert os.path.getsize(staging.path) == expected.nbytes


def test_the_room_for_the_hidden_file_is_reserved(tmp_path):
    staging = Staging(tmp_path / "out.tif", 4, (4000, 3000), np.dtype("float32"))
    staging.prepare()
    assert os.listdir(tmp_path) == ["out.tif.partial"]
    assert staging.path.stat().st_size == 4 * 4000 * 3000 * 4
    if os.uname().sysname == "Linux":
        assert staging.path.stat().st_blocks * 512 >= 4 * 4000 * 3000 * 4
    staging.write((slice(0, 1), slice(7, 9)), np.ones((1, 1, 2), np.float32), first=3)
    assert staging.read((slice(0, 1), slice(6, 9)))[:, 0].tolist() == [[0, 0, 0]] * 3 + [[0, 1, 1]]
    staging.discard()
    assert os.listdir(tmp_path) == []


def test_a_disk_without_room_is_told_before_the_work(tmp_path, monkeypatch):
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(srlab.io.staging, "disk_usage", lambda folder: usage(10**9))
    staging = Staging(tmp_path / "out.tif", 1, (40_000, 30_000), np.dtype("uint8"))
    message = r"out.tif cannot be written: it needs 1.2 GB while it is made, and 1.0 GB are free"
    with pytest.raises(OSError, match=message):
        staging.prepare()
    assert os.listdir(tmp_path) == []
