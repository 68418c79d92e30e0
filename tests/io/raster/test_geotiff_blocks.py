"""Blocks of a GeoTIFF, from any process and in any order, and a file that is whole or not there."""

import os
import pickle
import re
import signal
import subprocess
import sys

import numpy as np
import pytest
import rasterio
from rasters import begun, source, values, write

from srlab.data.places.regions import Region
from srlab.io import Axis, Channel, Description
from srlab.io.array.memory import ArrayReader
from srlab.io.raster.reader import RasterReader
from srlab.io.raster.staged import StagedBlocks
from srlab.io.raster.writer import COMPRESSIONS

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
RNG = np.random.default_rng(0)


def blocks_of(shape, side):
    """Windows of `side` pixels that cover an image, smaller at its ends."""
    parts = Region.whole(ArrayReader(np.empty((1, *shape), np.uint8))).tiled((side, side))
    return [part.window for part in parts]


def copy_blocks(reader, writer, windows):
    for window in windows:
        writer.write(window, reader.read(window))


@pytest.mark.parametrize(("count", "dtype"), [(3, "uint16"), (5, "float32")])
def test_bytes_depend_on_no_order_or_size_of_blocks(tmp_path, count, dtype):
    shape = (700, 600)
    band = Channel("x", dtype=np.dtype(dtype), masked=True)
    description = Description(shape, (Axis("y"), Axis("x")), (band,) * count)
    array = np.rint(values(description))
    array[:, 100:300, 500:] = np.nan
    with write(tmp_path / "whole.tif", description, array) as file:
        valid = ~np.isnan(array)
        np.testing.assert_array_equal(file.read()[valid], array[valid])
        np.testing.assert_array_equal(file.dataset_mask() > 0, valid[0])
    reader = ArrayReader(array)
    for side in (130, 512):
        writer, windows = begun(tmp_path / "blocks.tif", description), blocks_of(shape, side)
        copy_blocks(reader, writer, [windows[at] for at in RNG.permutation(len(windows))])
        writer.finish()
        assert (tmp_path / "blocks.tif").read_bytes() == (tmp_path / "whole.tif").read_bytes()


OTHER_PROCESS = """
import pickle, sys
reader, writer, windows = pickle.load(sys.stdin.buffer)
for window in windows:
    writer.write(window, reader.read(window))
"""


def test_two_processes_write_the_bytes_of_one(tmp_path):
    like = source(tmp_path / "a.tif", count=2, shape=(200, 300), dtype="uint16", nodata=0)
    write(tmp_path / "b.tif", like, np.rint(values(like))).close()
    reader = RasterReader(tmp_path / "b.tif", bands=[2, 1])
    alone, shared = (begun(tmp_path / name, reader.description) for name in ("1.tif", "2.tif"))
    windows = blocks_of((200, 300), 64)
    copy_blocks(reader, alone, windows)
    alone.finish()
    others = []
    for first in (0, 1):
        process = subprocess.Popen([sys.executable, "-c", OTHER_PROCESS], stdin=subprocess.PIPE)
        process.stdin.write(pickle.dumps((reader, shared, windows[first::2])))
        process.stdin.close()
        others.append(process)
    assert [process.wait(timeout=240) for process in others] == [0, 0]
    pickle.loads(pickle.dumps(shared)).finish()
    assert (tmp_path / "1.tif").read_bytes() == (tmp_path / "2.tif").read_bytes()


def test_threads_change_no_byte(tmp_path, monkeypatch):
    description = source(tmp_path / "a.tif", count=2, shape=(1500, 1100), dtype="uint16")
    array = values(description)
    contents = set()
    for threads in ("1", "4"):
        monkeypatch.setitem(COMPRESSIONS["deflate"], "num_threads", threads)
        write(tmp_path / "out.tif", description, array).close()
        contents.add((tmp_path / "out.tif").read_bytes())
    assert len(contents) == 1


def test_the_name_appears_when_the_file_is_whole(tmp_path):
    like = source(tmp_path / "a.tif")
    (tmp_path / "out.tif").write_bytes(b"old")
    writer = begun(tmp_path / "out.tif", like)
    writer.write((slice(0, 6), slice(0, 8)), values(like))
    assert sorted(os.listdir(tmp_path)) == ["a.tif", "out.tif", "out.tif.partial"]
    assert (tmp_path / "out.tif").read_bytes() == b"old"
    writer.finish()
    assert sorted(os.listdir(tmp_path)) == ["a.tif", "out.tif"]
    writer.discard()  # after finish it has nothing to give up
    assert rasterio.open(tmp_path / "out.tif").shape == (6, 8)


def test_discard_leaves_the_old_file_alone(tmp_path):
    like = source(tmp_path / "a.tif")
    (tmp_path / "out.tif").write_bytes(b"old")
    writer = begun(tmp_path / "out.tif", like)
    writer.write((slice(0, 6), slice(0, 8)), values(like))
    writer.discard()
    writer.discard()
    assert (tmp_path / "out.tif").read_bytes() == b"old"
    assert sorted(os.listdir(tmp_path)) == ["a.tif", "out.tif"]


def test_leftovers_of_a_crash_do_no_harm(tmp_path):
    (tmp_path / ".out.tif.partial.tif").write_bytes(b"II*\0 broken")
    like = source(tmp_path / "a.tif")
    write(tmp_path / "out.tif", like, values(like)).close()
    assert sorted(os.listdir(tmp_path)) == ["a.tif", "out.tif"]


FULL_DISK = """
import resource, signal, sys
import numpy as np
from srlab.io import Provenance, create_writer, open_reader

_, source, target, limit, rows = sys.argv
like = open_reader(source).description
array = np.random.default_rng(0).uniform(0, 255, (1, *like.shape)).astype(np.float32)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
writer = create_writer(target, like, provenance=Provenance("srlab", "0"))
try:
    writer.prepare()
    for row in range(0, like.shape[0], int(rows)):
        window = (slice(row, min(row + int(rows), like.shape[0])), slice(0, like.shape[1]))
        writer.write(window, array[:, window[0]])
    writer.finish()
except OSError as error:
    writer.discard()
    sys.exit(f"OSError: {error}")
"""


@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="no file size limit")
@pytest.mark.parametrize("name", ["out.tif", "out.png"])
@pytest.mark.parametrize("left", [0.02, 1.0])
def test_a_full_disk_is_an_error_and_leaves_nothing(tmp_path, name, left):
    source(tmp_path / "a.tif", shape=(700, 600))
    size = (
        700 * 600
    )  # of noise, which does not compress: the encoded file is larger than its blocks
    run = subprocess.run(
        [
            sys.executable,
            "-c",
            FULL_DISK,
            tmp_path / "a.tif",
            tmp_path / name,
            str(int(size * left)),
            "512",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert re.search(rf"{name} (cannot|could not) be written", run.stderr)
    assert "OSError: " in run.stderr.splitlines()[-1]
    assert os.listdir(tmp_path) == ["a.tif"]


def test_blocks_that_never_reached_the_disk_are_an_error(tmp_path, monkeypatch):
    like = source(tmp_path / "a.tif", nodata=0)
    writer = begun(tmp_path / "out.tif", like)
    # as after a failed flush: a header, and no block
    monkeypatch.setitem(COMPRESSIONS["deflate"], "sparse_ok", True)
    monkeypatch.setattr(StagedBlocks, "copy", lambda *_: None)
    with pytest.raises(OSError, match=r"out.tif could not be written whole: is the disk full\?"):
        writer.finish()
    assert sorted(os.listdir(tmp_path)) == ["a.tif", "out.tif.partial"]  # for another try
