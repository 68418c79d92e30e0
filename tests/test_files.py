import pytest

from srlab.files import replaced


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
