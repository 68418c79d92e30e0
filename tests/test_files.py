import contextlib
import hashlib
import os
import subprocess
import sys

import pytest

from srlab.files import content_hash, new_file, replaced, sole_writer

WRITES = """
import sys, time
from srlab.files import content_hash, new_file, sole_writer
with sole_writer(new_file(sys.argv[1], overwrite=False)):
    print("held", flush=True)
    time.sleep(60)
"""


@contextlib.contextmanager
def another_writer(path):
    """A process that writes a file."""
    process = subprocess.Popen([sys.executable, "-c", WRITES, path], stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline() == b"held\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def write(path, content, *, fails=False):
    with replaced(path) as unfinished:
        unfinished.write_text(content)
        assert unfinished.parent == path.parent
        if fails:
            raise KeyboardInterrupt


def test_file_is_replaced_by_a_whole_one_and_nothing_else_is_left(tmp_path):
    for content in ("first", "second"):
        write(tmp_path / "notes.txt", content)
        assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [
            ("notes.txt", content)
        ]


def test_failure_leaves_the_file_before(tmp_path):
    write(tmp_path / "notes.txt", "first")
    for name in ("notes.txt", "other.txt"):
        with pytest.raises(KeyboardInterrupt):
            write(tmp_path / name, "half", fails=True)
        assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [
            ("notes.txt", "first")
        ]


def test_file_of_before_stays_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "notes.txt"
    write(path, "first")
    with replaced(path) as unfinished:
        unfinished.write_text("half")
        assert path.read_text() == "first"


@pytest.mark.parametrize("name", ["out.tif", "deep/../out.tif", "linked/out.tif", "other.tif"])
def test_second_writer_of_a_file_is_refused_whatever_the_spelling(tmp_path, monkeypatch, name):
    folder = tmp_path / "real"
    (folder / "deep").mkdir(parents=True)
    (folder / "linked").symlink_to(folder)
    (folder / "other.tif").symlink_to("out.tif")
    monkeypatch.chdir(folder)
    target = new_file(name, overwrite=False)
    with another_writer(folder / "out.tif") as writer:
        message = r"out.tif is in use: another process writes it"
        with pytest.raises(BlockingIOError, match=message), sole_writer(target):
            pass
        with sole_writer(new_file("another.tif", overwrite=False)):
            pass
        writer.kill()
        writer.wait()
    with sole_writer(target):
        assert os.listdir(folder / "deep") == []
    assert sorted(os.listdir(folder)) == ["deep", "linked", "other.tif"]


def test_a_name_is_free_again_when_its_writer_is_done(tmp_path):
    for _ in range(2):
        with sole_writer(tmp_path / "out.tif"):
            pass
    with pytest.raises(KeyError), sole_writer(tmp_path / "out.tif"):
        raise KeyError
    assert not list(tmp_path.iterdir())


def test_a_folder_that_takes_no_file_is_named(tmp_path):
    taken = rf"the folder {tmp_path}/gone takes no new file: write elsewhere\."
    with pytest.raises(PermissionError, match=taken), sole_writer(tmp_path / "gone" / "out.tif"):
        pass


def test_a_link_leads_to_the_file_that_is_written(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "out.tif").symlink_to(tmp_path / "disk" / "scene.tif")
    write(new_file(tmp_path / "out.tif", overwrite=False), "whole")
    assert (tmp_path / "disk" / "scene.tif").read_text() == "whole"
    assert (tmp_path / "out.tif").is_symlink()


def test_a_hash_is_that_of_the_bytes_and_of_all_that_a_folder_holds(tmp_path):
    path = tmp_path / "store" / "deep" / "file"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"abc" * 100_000)
    assert content_hash(path) == hashlib.sha256(b"abc" * 100_000).hexdigest()
    before = content_hash(tmp_path / "store")
    path.rename(path.with_name("other"))
    renamed = content_hash(tmp_path / "store")
    path.with_name("other").write_bytes(b"abd")
    assert len({before, renamed, content_hash(tmp_path / "store")}) == 3
