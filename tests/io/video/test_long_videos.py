"""The memory that long videos take."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from clips import clip, moving

WORKER = Path(__file__).with_name("long_video_worker.py")
TESTS = Path(__file__).parents[2]
FOLDERS = [".", "io", "models", "prediction"]


def two_a_second(path, seconds):
    count = 2 * seconds
    frames = np.broadcast_to(moving(10, 120, 160), (count // 10, 10, 120, 160, 3))
    frames = frames.reshape(count, 120, 160, 3)
    return clip(path, "mpeg4", frames=frames, tick="1/2", options={"g": "50"})


@pytest.mark.slow
def test_memory_does_not_grow_with_the_length_of_a_video(tmp_path):
    # The frames of the long one take 69 MB as they are read, and 276 MB as they are written.
    short, long = two_a_second(tmp_path / "a.mp4", 10), two_a_second(tmp_path / "b.mp4", 600)
    paths = os.pathsep.join([str(TESTS / folder) for folder in FOLDERS])
    path = os.pathsep.join(filter(None, [paths, os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, str(WORKER), str(short), str(long)],
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    first, last = map(int, done.stdout.split())
    assert last - first < 200
