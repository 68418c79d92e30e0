"""Values out of a cache are those of the files, bit for bit."""

import os
import pickle
import shutil
from pathlib import Path

import nibabel
import numpy as np
import pytest
import rasterio
import rasterio.shutil
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import srlab.data.caches.disk
from srlab.data.caches import DiskCache, MemoryCache
from srlab.data.caches.encoding import encodings
from srlab.io import open_reader
from srlab.mistakes import Mistake

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


class Counting:
    """A reader that counts what is read of its file."""

    def __init__(self, reader):
        self.reader, self.description, self.reads = reader, reader.description, 0

    def __str__(self):
        return str(self.reader)

    def read(self, window):
        self.reads += 1
        return self.reader.read(window)

    def close(self):
        self.reader.close()


def disk(folder, gigabytes=1.0, slow_only=False):
    return DiskCache(folder=str(folder), gigabytes=gigabytes, slow_only=slow_only)


def memory(_, gigabytes=1.0, slow_only=False):
    return MemoryCache(gigabytes=gigabytes, slow_only=slow_only)


def kept(path, cache, bands=(1,)):
    """Return a counting reader of a file, and the reader that a cache makes of it."""
    counting = Counting(open_reader(path, bands=bands))
    return counting, cache.keep(counting, bands)


def tiles(folder):
    return sorted(path for path in Path(folder).rglob("*.tiles"))


def raster(path, image, scale=1.0, offset=0.0, **profile):
    bands, height, width = image.shape
    size = {"count": bands, "height": height, "width": width, "dtype": image.dtype}
    with rasterio.open(path, "w", driver="GTiff", **size, **profile) as file:
        file.write(image)
        file.scales, file.offsets = [scale] * bands, [offset] * bands
    return path


def picture(path, height=300, width=200, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def windows(shape, number):
    random = np.random.default_rng(0)
    yield tuple(slice(0, size) for size in shape)
    for _ in range(number):
        ends = [sorted(random.choice(size + 1, 2, replace=False)) for size in shape]
        yield tuple(slice(int(start), int(stop)) for start, stop in ends)


def check_equal(path, cache, bands, *, number=20):
    reader, (counting, cached) = open_reader(path, bands=bands), kept(path, cache, bands)
    for window in windows(reader.description.shape, number):
        expected, got = reader.read(window), cached.read(window)
        assert got.dtype == np.float32
        np.testing.assert_array_equal(got, expected)
    blocks = counting.reads
    cached.read(window)
    assert counting.reads == blocks, "the file is read although it is kept"


def with_holes(dtype):
    image = np.random.default_rng(0).integers(0, 250, (2, 140, 301)).astype(dtype)
    image[0, 10:50, 20:90] = 7
    return image


@pytest.mark.parametrize("cache", [disk, memory])
@pytest.mark.parametrize(
    ("dtype", "profile"),
    [
        ("uint8", {}),
        ("int16", {"nodata": 7, "offset": -1000.0}),
        ("uint16", {"scale": 0.1, "offset": 3.7}),
        ("float64", {"nodata": 7}),
    ],
)
def test_windows_are_those_of_the_file(tmp_path, cache, dtype, profile):
    path = raster(tmp_path / "a.tif", with_holes(dtype), **profile)
    check_equal(path, cache(tmp_path / "cache"), [2, 1])


@pytest.mark.parametrize("cache", [disk, memory])
def test_windows_of_a_series_of_volumes_are_those_of_the_file(tmp_path, cache):
    series = np.random.default_rng(0).integers(0, 250, (20, 40, 35, 3)).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(series, np.eye(4)), tmp_path / "series.nii.gz")
    check_equal(tmp_path / "series.nii.gz", cache(tmp_path / "cache"), [1])


@pytest.mark.parametrize("cache", [disk, memory])
@pytest.mark.parametrize(
    ("name", "bands"),
    [
        ("satellite/safe_layout_noise", ["B04", "B08"]),
        ("satellite/s2_ftw_8band_10m_uint16_utm33.tif", [8, 1, 2]),
        ("rgb/set5/HR/img_001.png", [1, 2, 3]),
    ],
)
def test_windows_are_those_of_real_files(tmp_path, shared_data, cache, name, bands):
    (path, *_) = [*shared_data(name).glob("*.SAFE"), shared_data(name)]
    check_equal(path, cache(tmp_path / "cache"), bands)


def test_integers_are_kept_in_their_own_type(tmp_path):
    path = raster(tmp_path / "a.tif", with_holes("uint16"), nodata=7, offset=-1000.0)
    check_equal(path, disk(tmp_path / "cache"), [1, 2])
    (entry,) = tiles(tmp_path)
    padded = 2 * 2 * 256 * 384
    assert padded < entry.stat().st_size < 1.1 * padded


@given(
    stored=st.lists(st.integers(0, 65535), min_size=1, max_size=20),
    scale=st.sampled_from([1.0, 1e-4, 0.1, 2.75e-5, -3.0]),
    offset=st.sampled_from([0.0, -1000.0, -0.2, 0.1]),
)
@settings(max_examples=60, deadline=None)
def test_encoding_gives_back_what_it_took(tmp_path_factory, stored, scale, offset):
    path = tmp_path_factory.mktemp("encoding") / "a.tif"
    image = np.array(stored, np.uint16).reshape(1, 1, -1)
    reader = open_reader(raster(path, image, nodata=7, scale=scale, offset=offset))
    smallest, _ = encodings(reader.description)
    values = reader.read((slice(0, 1), slice(0, len(stored))))
    np.testing.assert_array_equal(smallest.decode(smallest.encode(values)), values)
    np.testing.assert_array_equal(smallest.decode(image), values)


def test_a_second_run_does_not_decode_again(tmp_path):
    path = picture(tmp_path / "a.png")
    window = (slice(3, 9), slice(150, 200))
    _, first = kept(path, disk(tmp_path / "cache"))
    expected = first.read(window)
    counting, second = kept(path, disk(tmp_path / "cache"))
    np.testing.assert_array_equal(second.read(window), expected)
    assert counting.reads == 0


@pytest.mark.parametrize("same_time", [False, True])
def test_a_changed_file_is_decoded_again(tmp_path, same_time):
    path = raster(tmp_path / "a.tif", np.full((1, 20, 20), 5, np.uint8))
    window = (slice(0, 20), slice(0, 20))
    assert (kept(path, disk(tmp_path))[1].read(window) == 5).all()
    before = path.stat()
    raster(path, np.full((1, 20, 20), 9, np.uint8), compress=None if not same_time else "lzw")
    if same_time:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (kept(path, disk(tmp_path))[1].read(window) == 9).all()


def test_bands_and_nodata_have_tiles_of_their_own(tmp_path):
    path = raster(tmp_path / "a.tif", np.arange(2 * 400, dtype=np.uint16).reshape(2, 20, 20))
    for bands in ([1], [2], [1, 2], [2, 1]):
        check_equal(path, disk(tmp_path / "cache"), bands)
    with rasterio.open(path, "r+") as file:
        before = path.stat()
        file.nodata = 3
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    check_equal(path, disk(tmp_path / "cache"), [1])


def test_a_changed_product_is_decoded_again(tmp_path, shared_data):
    (product,) = shared_data("satellite/safe_layout_noise").glob("*.SAFE")
    key = srlab.data.caches.disk._key
    copy = shutil.copytree(product, tmp_path / product.name)
    reader = open_reader(copy, bands=["B04"])
    before = key(reader, ["B04"])
    assert key(reader, ["B04"]) == before
    (band, *_) = copy.rglob("*B04_10m.jp2")
    os.utime(band)
    assert key(reader, ["B04"]) != before


def warnings_of(caplog):
    return [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]


def test_the_budget_is_kept_and_earlier_runs_make_room(tmp_path, caplog):
    budget = 2.5 * 128 * 128 * 2 / 1e9
    paths = [picture(tmp_path / f"{number}.png", 128, 200) for number in range(4)]
    window = (slice(0, 100), slice(0, 100))
    first = disk(tmp_path / "cache", budget)
    for path in paths:
        check = open_reader(path, bands=[1]).read(window)
        np.testing.assert_array_equal(kept(path, first)[1].read(window), check)
    old = tiles(tmp_path)
    assert len(old) == 2
    (told,) = warnings_of(caplog)
    assert told.startswith(f"{paths[2]} and others do not fit into the")

    kept(paths[3], disk(tmp_path / "cache", budget))[1].read(window)
    assert tiles(tmp_path) == old, "another run may still use them"
    for age, entry in enumerate(old):
        os.utime(entry, (1e9 + age, 1e9 + age))
    kept(paths[3], disk(tmp_path / "cache", budget))[1].read(window)
    (new,) = set(tiles(tmp_path)) - set(old)
    assert set(tiles(tmp_path)) == {old[1], new}


def test_files_of_others_are_left_alone(tmp_path):
    other = tmp_path / "cache" / "precious.tiles"
    other.parent.mkdir()
    other.write_bytes(b"x" * 50_000)
    os.utime(other, (1e9, 1e9))
    kept(picture(tmp_path / "a.png"), disk(tmp_path / "cache", 1e-6))[1].read((slice(0, 9),) * 2)
    assert tiles(tmp_path) == [other]


def test_a_full_disk_is_told_once_and_files_are_read_without(tmp_path, caplog, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(srlab.data.caches.tiles.os, "pwrite", full)
    cache = disk(tmp_path / "cache")
    for number in range(3):
        path = picture(tmp_path / f"{number}.png", seed=number)
        window = (slice(0, 9), slice(0, 9))
        expected = open_reader(path, bands=[1]).read(window)
        np.testing.assert_array_equal(kept(path, cache)[1].read(window), expected)
    (told,) = warnings_of(caplog)
    assert "files are decoded at each read (No space left on device)" in told
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [".lock"]


def test_a_file_that_another_process_decodes_is_read_meanwhile(tmp_path, monkeypatch):
    def busy(_):
        raise srlab.mistakes.BusyFile("in use")

    path = picture(tmp_path / "a.png")
    counting, cached = kept(path, disk(tmp_path / "cache"))
    with monkeypatch.context() as patched:
        patched.setattr(srlab.data.caches.disk, "sole_writer", busy)
        cached.read((slice(0, 9), slice(0, 9)))
    assert (counting.reads, tiles(tmp_path)) == (1, [])
    cached.read((slice(0, 9), slice(0, 9)))
    assert len(tiles(tmp_path)) == 1


def test_damaged_tiles_are_made_anew(tmp_path):
    path = picture(tmp_path / "a.png")
    for content in (b"", b"x" * 5000):
        kept(path, disk(tmp_path / "cache"))[1].read((slice(0, 9), slice(0, 9)))
        (entry,) = tiles(tmp_path)
        entry.write_bytes(content)
        check_equal(path, disk(tmp_path / "cache"), [1])


@pytest.mark.parametrize("cache", [disk, memory])
def test_of_a_damaged_file_what_is_whole_is_read(tmp_path, cache):
    path = picture(tmp_path / "a.png", 600, 400)
    path.write_bytes(path.read_bytes()[:150_000])
    _, cached = kept(path, cache(tmp_path / "cache"))
    assert cached.read((slice(0, 50), slice(0, 400))).any()
    with pytest.raises(Mistake, match=r"a.png cannot be read at rows 500 to 600"):
        cached.read((slice(500, 600), slice(0, 400)))
    assert tiles(tmp_path) == []


def test_removed_tiles_are_not_made_again_by_the_same_process(tmp_path):
    path = picture(tmp_path / "a.png")
    _, cached = kept(path, disk(tmp_path / "cache"))
    window = (slice(0, 9), slice(0, 9))
    expected = cached.read(window)
    (entry,) = tiles(tmp_path)
    entry.unlink()
    np.testing.assert_array_equal(cached.read(window), expected)  # it is still open
    cached.close()
    np.testing.assert_array_equal(cached.read(window), expected)
    assert tiles(tmp_path) == []


def test_fast_formats_and_pointers_are_left_alone(tmp_path):
    tif = raster(tmp_path / "a.tif", np.zeros((1, 9, 9), np.uint8))
    vrt = tmp_path / "a.vrt"
    rasterio.shutil.copy(tif, vrt, driver="VRT")
    for cache, path in [(disk(tmp_path, slow_only=True), tif), (disk(tmp_path), vrt)]:
        counting, same = kept(path, cache)
        assert same is counting
    counting, same = kept(tif, memory(tmp_path, slow_only=True))
    assert same is counting


def test_memory_is_bounded_and_told_once(tmp_path, caplog):
    cache = memory(tmp_path, 1.5 * 300 * 200 / 1e9)
    found = [kept(picture(tmp_path / f"{n}.png", seed=n), cache) for n in range(3)]
    for _, cached in found:
        for _ in range(5):
            cached.read((slice(0, 9), slice(0, 9)))
    assert [counting.reads for counting, _ in found] == [1, 5, 5]
    (told,) = warnings_of(caplog)
    assert f"{tmp_path}/1.png and others do not fit into the" in told


@pytest.mark.parametrize("cache", [disk, memory])
def test_cached_readers_pickle(tmp_path, cache):
    path = picture(tmp_path / "a.png")
    cached = cache(tmp_path / "cache").keep(open_reader(path, bands=[1]), [1])
    window = (slice(200, 300), slice(100, 200))
    expected = cached.read(window)
    content = pickle.dumps(cached)
    assert len(content) < 5000
    np.testing.assert_array_equal(pickle.loads(content).read(window), expected)


@pytest.mark.parametrize("cache", [disk, memory])
def test_a_budget_of_nothing_is_refused(tmp_path, cache):
    with pytest.raises(Mistake, match=r"cache.gigabytes is 0; give a number above 0, or cache=no"):
        cache(tmp_path, 0)
