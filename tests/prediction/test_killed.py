"""Predictions that are killed at any moment go on, and end with the same bytes."""

import contextlib
import multiprocessing
import os
import random
import shutil
import signal
import sys
import time

import killed_runs
import nibabel
import numpy as np
import pytest
import rasterio
import tifffile
from affine import Affine
from clips import clip, moving

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["killed_runs"])


@pytest.fixture(autouse=True)
def server(monkeypatch):
    """The process that all others are copies of: it has imported what they need."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    # Each process would import pytest, since that is the main module.
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", None)
    monkeypatch.delattr(sys.modules["__main__"], "__file__", raising=False)
    process = CONTEXT.Process(target=killed_runs.nothing)
    process.start()
    process.join()


def raster(path):
    pixels = np.random.default_rng(0).integers(1, 200, (2, 70, 90), np.uint8)
    place = {"crs": "EPSG:32632", "transform": Affine(10, 0, 4e5, 0, -10, 51e5)}
    with rasterio.open(
        path, "w", driver="GTiff", width=90, height=70, count=2, dtype="uint8", **place
    ) as file:
        file.write(pixels)


def volume(path):
    values = np.random.default_rng(1).integers(0, 200, (24, 30, 40), np.uint8)
    nibabel.save(nibabel.Nifti1Image(values, np.diag([1, 2, 3, 1])), path)


def stack(path):
    values = np.random.default_rng(2).integers(0, 200, (3, 2, 40, 50), np.uint8)
    about = {"axes": "ZCYX", "PhysicalSizeX": 0.3, "PhysicalSizeXUnit": "µm"}
    tifffile.imwrite(path, values, metadata=about, photometric="minisblack")


def video(path):
    clip(path, "ffv1", frames=moving(40, 24, 32), format="bgr0")


KINDS = {
    "a.tif": ("in.tif", raster, {"scale": (2, 2), "channels": 2}),
    "cog.tif": ("in.tif", raster, {"scale": (2, 2), "channels": 2, "layout": "cog"}),
    "a.nii.gz": ("in.nii", volume, {"scale": (2, 2, 2), "channels": 1}),
    "a.ome.tif": ("in.ome.tif", stack, {"scale": (2, 2), "channels": 2}),
    "a.ome.zarr": ("in.ome.tif", stack, {"scale": (2, 2), "channels": 2}),
    "a.mkv": ("in.mkv", video, {"scale": (2, 2), "channels": 3}),
}


def content(path):
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    return [(each.name, each.read_bytes()) for each in files if each.is_file()]


def predicted(folder, name, target, lines=None):
    """Predict in another process, which is killed when its journal has a number of lines."""
    source, _, settings = KINDS[name]
    process = CONTEXT.Process(target=killed_runs.run, args=(folder / source, target, settings))
    process.start()
    while process.is_alive() and (lines is None or noted(target) < lines):
        time.sleep(0.002)
    process.kill()
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL)


def noted(target):
    """The lines of the journal of an unfinished output."""
    journal = target.with_name(f"{target.name}.partial") / "journal"
    with contextlib.suppress(FileNotFoundError):  # it is not there yet, or no more
        return len(journal.read_bytes().splitlines())
    return 0


def killed(folder, name, times, seed):
    """Kill a prediction at random moments; return how many lines had been noted each time."""
    source, make, _ = KINDS[name]
    make(folder / source)
    whole, target = folder / "whole" / name, folder / name
    whole.parent.mkdir()
    predicted(folder, name, whole)
    draw, kept = random.Random(seed), []
    while len(kept) < times:
        predicted(folder, name, target, noted(target) + draw.randint(1, 12))
        kept.append(noted(target))
        if target.exists():  # it was killed too late, and the next one begins anew
            assert content(target) == content(whole)
            remove(target)
            remove(target.with_name(f"{name}.partial"))
    predicted(folder, name, target)
    assert content(target) == content(whole)
    return kept


def remove(path):
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@pytest.mark.parametrize("name", KINDS)
def test_a_prediction_that_is_killed_goes_on(tmp_path, name):
    kept = killed(tmp_path, name, times=4, seed=name)
    assert max(kept) > 1
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {KINDS[name][0], name, "whole"}


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_a_prediction_that_is_killed_many_times_goes_on(tmp_path, name):
    assert max(killed(tmp_path, name, times=50, seed=1)) > 1
