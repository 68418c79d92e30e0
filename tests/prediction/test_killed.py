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
import pytest
from format_examples import KINDS, content, raster

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


BESIDE = {"dtype": "float32", "tta": True, "project": True, "parts": True}
ALL = KINDS | {
    "beside.tif": (
        "in.tif",
        raster,
        {"scale": (2, 2), "channels": 2, "tile": 40, "overlap": 8, **BESIDE},
    ),
}
"""The last has three files beside it: the deviation and the two parts."""

FAST = [name for name in ALL if name != "a.mp4"]


def predicted(folder, name, target, lines=None):
    """Predict in another process, which is killed when its journal has a number of lines."""
    source, _, settings = ALL[name]
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
    source, make, _ = ALL[name]
    make(folder / source)
    whole, made = folder / "whole", folder / "made"
    whole.mkdir()
    made.mkdir()
    predicted(folder, name, whole / name)
    target = made / name
    draw, kept = random.Random(seed), []
    while len(kept) < times:
        predicted(folder, name, target, noted(target) + draw.randint(1, 12))
        kept.append(noted(target))
        if target.exists():  # it was killed too late, and the next one begins anew
            shutil.rmtree(made)
            made.mkdir()
    predicted(folder, name, target)
    assert content(made) == content(whole)
    return kept


@pytest.mark.parametrize("name", FAST)
def test_a_prediction_that_is_killed_goes_on(tmp_path, name):
    assert max(killed(tmp_path, name, times=4, seed=name)) > 1


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_a_prediction_that_is_killed_many_times_goes_on(tmp_path, name):
    assert max(killed(tmp_path, name, times=50, seed=1)) > 1
