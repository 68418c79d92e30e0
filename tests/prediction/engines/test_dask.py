"""Blocks on a cluster of two worker processes: the same files as in one process."""

import logging
import os
import signal
import sys
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
import rasterio
from affine import Affine
from format_examples import KINDS, content
from prediction_examples import noisy
from tifffile import TiffFile

from srlab.io.raster.staged import StagedBlocks
from srlab.mistakes import Mistake
from srlab.prediction import Request, super_resolve_file
from srlab.prediction.engines import Dask, Local, dask, making
from srlab.prediction.engines.dask import told_of_the_cluster
from srlab.prediction.engines.same_files import Sighting
from srlab.prediction.output.hashes import input_hash

SETTINGS = {"overlap": 2, "force": ["pixel_size"], "threads": 1}


@pytest.fixture(scope="module")
def cluster():
    """The address of a scheduler with two workers, each a process that is begun anew if it ends."""
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    with dask._own_cluster(2) as found:
        yield found.scheduler_address


@pytest.fixture
def engine(cluster):
    """An engine on that cluster."""
    found = Dask(cluster)
    yield found
    found.close()


@pytest.fixture
def models(tmp_path):
    return noisy(tmp_path / "m.safetensors")


@pytest.fixture
def scene(tmp_path):
    pixels = np.random.default_rng(0).integers(1, 255, (3, 64, 60), np.uint8)
    pixels[:, 20:30, 10:20] = 0
    place = {"crs": "EPSG:32632", "transform": Affine(10, 0, 4e5, 0, -10, 51e5), "nodata": 0}
    path = tmp_path / "in.tif"
    stored = {"compress": "deflate", "blockysize": 16}
    with rasterio.open(
        path, "w", width=60, height=64, count=3, dtype="uint8", **place, **stored
    ) as file:
        file.write(pixels)
        file.descriptions = ("red", "green", "blue")
    return path


def predicted(models, source, engine, name, **settings):
    """The output's path and outcome."""
    output = source.with_name(name)
    request = Request(**(SETTINGS | {"tile": 16} | settings))
    outcome = super_resolve_file(models, source, output, request=request, engine=engine)
    return output, outcome


@pytest.mark.slow
def test_a_cluster_makes_the_same_file_with_the_same_counts(engine, models, scene):
    alone, wanted = predicted(models, scene, Local(), "alone.tif")
    shared, got = predicted(models, scene, engine, "shared.tif")
    assert shared.read_bytes() == alone.read_bytes()
    assert (got.done, got.clipped, got.empty) == (wanted.done, wanted.clipped, wanted.empty)
    assert wanted.clipped > 0
    assert wanted.empty == 4 * 10 * 10


def made(folder, name, engine, **given):
    """The bytes of an output, and of what lies beside it, in a folder of its own."""
    source, make, settings = KINDS[name]
    settings = dict(settings)
    scale, channels = settings.pop("scale"), settings.pop("channels")
    if not (folder / source).exists():
        make(folder / source)
    models = noisy(folder / "m.safetensors", scale, channels)
    target = folder / uuid4().hex
    target.mkdir()
    asked = SETTINGS | {"tile": [16] * len(scale), "join": "crop", "options": settings} | given
    asked["force"] = ["band_names", "pixel_size"]
    request = Request(**asked)
    super_resolve_file(models, folder / source, target / name, request=request, engine=engine)
    return content(target)


@pytest.mark.parametrize("name", [name for name in KINDS if name != "a.mp4"])
def test_blocks_of_any_size_make_the_same_file(tmp_path, name):
    one, several = (made(tmp_path, name, Local(), batch=batch) for batch in (1, 3))
    assert one == several


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_a_cluster_makes_the_same_file_of_every_format(engine, tmp_path, name):
    assert made(tmp_path, name, engine) == made(tmp_path, name, Local())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a.ome.zarr", "a.mkv"])
def test_a_worker_killed_in_the_middle_leaves_no_trace_in_any_format(
    engine, tmp_path, name, monkeypatch
):
    alone = made(tmp_path, name, Local())
    seen = kill_a_worker(engine, monkeypatch, after=3)
    assert made(tmp_path, name, engine) == alone
    assert len(seen) > 8


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {"project": True, "parts": True, "dtype": "float32", "tile": 40, "overlap": 8},
        {"tta": True},
        {"precision": "bf16"},
    ],
    ids=["parts", "mean", "bf16"],
)
def test_a_cluster_has_the_settings_of_the_client(engine, tmp_path, settings):
    alone = made(tmp_path, "a.tif", Local(), **settings)
    assert made(tmp_path, "a.tif", engine, **settings) == alone


def kill_a_worker(engine, monkeypatch, after):
    """End one of the workers when so many blocks are done."""
    take_over, seen = making.Making.take_over, []

    def killing(self, done):
        take_over(self, done)
        seen.append(done)
        if len(seen) == after:
            process = next(iter(engine._connected().run(os.getpid).values()))
            os.kill(process, signal.SIGKILL)

    monkeypatch.setattr(making.Making, "take_over", killing)
    return seen


@pytest.mark.slow
def test_blocks_of_a_killed_worker_are_done_again(engine, models, scene, monkeypatch):
    alone, _ = predicted(models, scene, Local(), "alone.tif")
    seen = kill_a_worker(engine, monkeypatch, after=3)
    shared, _ = predicted(models, scene, engine, "shared.tif")
    assert len(seen) > 8
    assert shared.read_bytes() == alone.read_bytes()


@pytest.mark.slow
def test_each_engine_goes_on_with_what_the_other_began(engine, models, scene, monkeypatch):
    alone, _ = predicted(models, scene, Local(), "alone.tif")
    monkeypatch.setattr(making, "SECONDS", 0)
    write, keep, calls = StagedBlocks.write, making.Making.take_over, []

    def stopped(method):
        def call(*arguments):
            calls.append(method)
            if len(calls) % 5 == 0:
                raise KeyboardInterrupt
            return method(*arguments)

        return call

    with monkeypatch.context() as patch:
        patch.setattr(StagedBlocks, "write", stopped(write))
        patch.setattr(making.Making, "take_over", stopped(keep))
        for each in (Local(), engine):
            with pytest.raises(KeyboardInterrupt):
                predicted(models, scene, each, "shared.tif")
    journal = Path(f"{scene.with_name('shared.tif')}.partial") / "journal"
    assert len(journal.read_text().splitlines()) > 1 + 4
    shared, outcome = predicted(models, scene, Local(), "shared.tif")
    assert outcome.earlier > 0
    assert shared.read_bytes() == alone.read_bytes()


@pytest.mark.slow
def test_an_error_in_a_worker_arrives_as_its_one_line(engine, models, scene, monkeypatch):
    call = Dask.__call__

    def damaging(*arguments, **given):
        with TiffFile(scene) as file:
            last = file.pages[0].dataoffsets[-1]
        with scene.open("r+b") as file:
            file.seek(last)
            file.write(b"damaged")
        return call(*arguments, **given)

    monkeypatch.setattr(Dask, "__call__", damaging)
    wanted = r"in.tif cannot be read at rows \d+ to \d+: truncated or damaged"
    with pytest.raises(Mistake, match=wanted) as raised:
        predicted(models, scene, engine, "out.tif")
    assert "\n" not in str(raised.value)
    assert "share.py" in raised.value.__notes__[0]
    journal = Path(f"{scene.with_name('out.tif')}.partial") / "journal"
    assert len(journal.read_text().splitlines()) > 1


def test_a_worker_refuses_another_input_under_the_same_name(tmp_path):
    path = tmp_path / "in.tif"
    path.write_bytes(b"pixels")
    sighting = Sighting.of(str(path), input_hash(path))
    os.utime(path, (0, 0))
    sighting.check()  # a copy, with another time
    path.write_bytes(b"others")
    with pytest.raises(Mistake, match=r"in.tif is another file on .*, where a worker runs: all"):
        sighting.check()
    path.unlink()
    with pytest.raises(Mistake, match=r"in.tif is not there on .*, where a worker runs: all"):
        sighting.check()


@pytest.mark.slow
def test_a_worker_looks_at_its_input_first(engine, models, scene, monkeypatch):
    begin = making.Making.begin

    def changing(self):
        with rasterio.open(scene, "r+") as file:
            file.update_tags(changed="yes")
        return begin(self)

    monkeypatch.setattr(making.Making, "begin", changing)
    with pytest.raises(Mistake, match=r"in.tif is another file on .*, where a worker runs"):
        predicted(models, scene, engine, "out.tif")
    assert not Path(f"{scene.with_name('out.tif')}.partial").exists()


@pytest.mark.slow
def test_a_worker_refuses_another_model_under_the_same_name(engine, models, scene, monkeypatch):
    monkeypatch.setattr("srlab.prediction.engines.dask.file_hash", lambda path: "0a" * 32)
    with pytest.raises(Mistake, match=r"m.safetensors is another file on .*, where a worker runs"):
        predicted(models, scene, engine, "out.tif")
    assert not Path(f"{scene.with_name('out.tif')}.partial").exists()


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "cluster.local", "what://x:1"])
def test_a_scheduler_that_is_not_there_is_named(address, monkeypatch):
    monkeypatch.setattr("srlab.prediction.engines.dask.SECONDS", 0.5)
    with pytest.raises(Mistake, match=f"engine.address={address}: no scheduler answers there"):
        Dask(address).threads()


def test_a_missing_dask_is_named_with_its_extra(models, scene, monkeypatch):
    monkeypatch.delitem(sys.modules, "srlab.prediction.engines.share", raising=False)
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(Mistake, match=r"engine=dask needs Dask: pip install 'srlab\[dask\]'"):
        predicted(models, scene, Dask(), "a.tif")


def test_blocks_that_end_every_worker_are_told_of():
    from distributed import KilledWorker

    wanted = "the same blocks ended 4 workers of here, one after the other"
    with pytest.raises(Mistake, match=wanted), told_of_the_cluster("here"):
        raise KilledWorker("part", None, 3)


def test_a_cluster_without_workers_is_told_of():
    from distributed.scheduler import NoWorkerError

    wanted = "here has had no worker for 300 s: see whether it has memory for them"
    with pytest.raises(Mistake, match=wanted), told_of_the_cluster("here"):
        raise NoWorkerError("part", 300.0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"workers": 0}, "workers is 0; give a number of processes >= 1"),
        ({"address": "tcp://x:1", "workers": 2}, "the cluster at tcp://x:1 has its own number"),
    ],
)
def test_mistaken_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Dask(**arguments)
