import os
import subprocess
import sys
import time

import pytest

from srlab.cli.resume import resumed
from srlab.training.processes.folder import held, is_held

HOLD = """
import os, sys, time
from pathlib import Path
from srlab.training.processes.folder import held
with held(Path(sys.argv[1])):
    if os.fork() == 0:  # a loader worker
        time.sleep(60)
    print("held", os.getpid(), flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the folder, and has a child."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout.readline().startswith("held")
    yield process
    os.killpg(process.pid, 9)
    process.wait()


def test_folder_is_held_by_one_process_and_free_once_it_is_killed(tmp_path, holder):
    assert is_held(tmp_path)
    with (
        pytest.raises(BlockingIOError, match="is in use: another process trains there"),
        held(tmp_path),
    ):
        pass
    holder.kill()
    holder.wait()
    deadline = time.monotonic() + 60
    while is_held(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not is_held(tmp_path)
    with held(tmp_path):
        pass


def test_folder_that_nobody_holds_is_free(tmp_path):
    assert not is_held(tmp_path)
    with held(tmp_path):
        pass
    assert not is_held(tmp_path)


def test_newest_run_that_is_under_way_is_passed_over(tmp_path, holder):
    from srlab.cli.resume import LAST, newest_unfinished

    (tmp_path / LAST).parent.mkdir()
    (tmp_path / LAST).touch()
    assert newest_unfinished([tmp_path]) is None


def test_a_run_that_is_under_way_is_refused_before_anything_is_written(tmp_path, holder):
    before = sorted(tmp_path.iterdir())
    with pytest.raises(BlockingIOError, match="is in use: another process trains there"):
        resumed([f"hydra.run.dir={tmp_path}", "generator=rrdb"])
    assert sorted(tmp_path.iterdir()) == before
    assert resumed([f"hydra.run.dir={tmp_path}"], alone=False)
