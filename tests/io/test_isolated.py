"""A library that crashes over a file ends another process, and this one tells of it in one line."""

import multiprocessing
import os
import pickle
import subprocess
import sys
import time

import pytest
from crashing_readers import (
    FaultyReader,
    OnceReader,
    PixelReader,
    TreacherousReader,
    UnreadableReader,
)

from srlab.io.isolated import IsolatedReader
from srlab.mistakes import MissingFile, Mistake

WHOLE = slice(0, 1), slice(0, 1)


@pytest.fixture
def path(tmp_path):
    (tmp_path / "a.h5").write_bytes(b"content")
    return tmp_path / "a.h5"


def process_of(reader):
    return int(reader.read(WHOLE).item())


def test_a_crash_is_told_and_other_files_read_on(path):
    good = IsolatedReader(PixelReader, path)
    first = process_of(good)
    assert first != os.getpid()
    with pytest.raises(Mistake, match=r"a.h5 cannot be read: the process .* ended with SIGSEGV"):
        IsolatedReader(UnreadableReader, path)
    bad = IsolatedReader(TreacherousReader, path)
    with pytest.raises(Mistake, match=r"a.h5 cannot be read: the process .* ended with SIGABRT"):
        bad.read(WHOLE)
    assert process_of(good) not in (first, os.getpid())


def test_a_process_that_was_damaged_before_is_replaced(path):
    reader = IsolatedReader(OnceReader, path)
    assert process_of(reader) != os.getpid()
    assert path.read_bytes() == b""


def test_errors_come_back_as_they_are(path):
    with pytest.raises(MissingFile, match=r"none.h5 does not exist"):
        IsolatedReader(PixelReader, path.with_name("none.h5"))
    with pytest.raises(Mistake, match="no such band"):
        IsolatedReader(FaultyReader, path, bands=["a"]).read(WHOLE)
    with pytest.raises(KeyError, match="a fault of the program") as fault:
        IsolatedReader(FaultyReader, path).read(WHOLE)
    assert "in read" in fault.value.__notes__[0]


def test_copies_share_one_process_and_a_fork_has_its_own(path):
    reader = IsolatedReader(PixelReader, path)
    copy = pickle.loads(pickle.dumps(reader))
    reader.close()
    assert process_of(copy) == process_of(reader)
    fork = multiprocessing.get_context("fork")
    answers = fork.SimpleQueue()
    forked = fork.Process(target=lambda: answers.put(process_of(reader)))
    forked.start()
    assert answers.get() not in (process_of(reader), os.getpid(), forked.pid)
    forked.join()


def test_it_ends_with_the_process_that_asks(path):
    code = (
        f"import sys; sys.path[:] = {sys.path!r}\n"
        "import os, crashing_readers, srlab.io.isolated as isolated\n"
        f"reader = isolated.IsolatedReader(crashing_readers.PixelReader, {str(path)!r})\n"
        "print(int(reader.read((slice(0, 1), slice(0, 1))).item()), flush=True)\n"
        "os._exit(0)  # as if it were killed"
    )
    other = int(subprocess.check_output([sys.executable, "-c", code], text=True))
    deadline = time.monotonic() + 60
    while os.path.exists(f"/proc/{other}/exe") and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not os.path.exists(f"/proc/{other}/exe")
