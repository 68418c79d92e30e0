import os
import re
import sys
from pathlib import Path

import pytest

from srlab.data.finding.files import find_files

SUFFIXES = [".png", ".tif"]


@pytest.fixture
def tree(tmp_path):
    names = [
        "b.png",
        "a.tif",
        "deep/er/c.PNG",
        "deep/d.Tif",
        "notes.txt",
        "e.jpg",
        ".hidden.png",
        "deep/._c.png",
    ]
    for name in [*names, ".thumbnails/f.png", "deep/.ipynb_checkpoints/g.png", "noext"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    return tmp_path


def names(root, found):
    return [path.relative_to(root).as_posix() for path in found]


def test_a_folder_is_searched_through_and_through(tree):
    found = find_files(str(tree), SUFFIXES)
    assert names(tree, found) == sorted(["a.tif", "b.png", "deep/d.Tif", "deep/er/c.PNG"])


def test_suffixes_count_in_any_case(tree):
    assert find_files(str(tree), [".PNG", ".TIF"]) == find_files(str(tree), SUFFIXES)


@pytest.mark.parametrize("name", ["b.png", "e.jpg", ".hidden.png", "noext"])
def test_a_file_named_by_the_user_is_taken_whatever_its_name(tree, name):
    assert find_files(str(tree / name), SUFFIXES) == [tree / name]


def test_a_glob_finds_what_the_shell_finds(tree):
    cases = [
        ("*.png", ["b.png"]),
        ("*", ["a.tif", "b.png"]),
        ("deep/*/*", ["deep/er/c.PNG"]),
        ("**/*.[pP][nN][gG]", ["b.png", "deep/er/c.PNG"]),
        ("?.*", ["a.tif", "b.png"]),
    ]
    for pattern, expected in cases:
        assert names(tree, find_files(f"{tree}/{pattern}", SUFFIXES)) == expected


@pytest.mark.parametrize("pattern", ["**/**/*", "**/**/**/*.*"])
def test_no_file_is_found_twice(tree, pattern):
    found = find_files(f"{tree}/{pattern}", [".png"])
    assert names(tree, found) == ["b.png", "deep/er/c.PNG"]


@pytest.mark.parametrize("pattern", ["*", ".*", "**/.*"])
def test_hidden_files_are_passed_over_in_globs_too(tree, pattern):
    try:
        found = find_files(f"{tree}/{pattern}", SUFFIXES)
    except FileNotFoundError:
        found = []
    assert not [path for path in found if path.name.startswith(".")]


@pytest.mark.parametrize("name", ["scenes [2019]", "a*b", "really?", "x=1, y"])
def test_a_folder_is_a_folder_whatever_its_name(tmp_path, name):
    (tmp_path / name).mkdir()
    (tmp_path / name / "x.png").touch()
    assert find_files(str(tmp_path / name), SUFFIXES) == [tmp_path / name / "x.png"]
    assert find_files(str(tmp_path / name / "x.png"), SUFFIXES) == [tmp_path / name / "x.png"]


def test_folders_that_are_images_are_found_and_not_searched(tmp_path):
    for name in ("a.zarr/0/c.tif", "deep/S2.SAFE/x.tif", "deep/.b.zarr/x", "x.nii.gz", "x.nii"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    suffixes = [".zarr", ".safe", ".tif", ".nii.gz"]
    expected = ["a.zarr", "deep/S2.SAFE", "x.nii.gz"]
    for root in (f"{tmp_path}", f"{tmp_path}/**", f"{tmp_path}/**/*"):
        assert names(tmp_path, find_files(root, suffixes)) == expected
    assert find_files(f"{tmp_path}/a.zarr", suffixes) == [tmp_path / "a.zarr"]
    assert names(tmp_path, find_files(str(tmp_path), [".tif"])) == [
        "a.zarr/0/c.tif",
        "deep/S2.SAFE/x.tif",
    ]


def test_a_folder_inside_a_hidden_one_can_be_named(tmp_path):
    (tmp_path / ".data").mkdir()
    (tmp_path / ".data" / "x.png").touch()
    assert find_files(str(tmp_path / ".data"), SUFFIXES) == [tmp_path / ".data" / "x.png"]


def test_home_is_expanded(tree, monkeypatch):
    monkeypatch.setenv("HOME", str(tree))
    assert find_files("~/deep", SUFFIXES) == find_files(str(tree / "deep"), SUFFIXES)
    assert find_files("~/*.png", SUFFIXES) == [tree / "b.png"]


def test_paths_may_be_relative(tree, monkeypatch):
    monkeypatch.chdir(tree)
    assert find_files("deep", SUFFIXES) == [Path("deep/d.Tif"), Path("deep/er/c.PNG")]


def test_a_link_to_a_file_is_followed_and_a_broken_one_is_not(tree):
    os.symlink(tree / "e.jpg", tree / "link.png")
    os.symlink(tree / "gone.png", tree / "broken.png")
    assert names(tree, find_files(f"{tree}/*.png", SUFFIXES)) == ["b.png", "link.png"]


def test_a_missing_place_is_an_error(tmp_path):
    message = "/nowhere does not exist; give a file, a folder or a glob of .png/.tif files."
    with pytest.raises(FileNotFoundError, match=re.escape(f"data.root={tmp_path}{message}")):
        find_files(f"{tmp_path}/nowhere", SUFFIXES)


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("", "holds no .png/.tif files, only notes.txt: check the path"),
        ("/**/*", "holds no .png/.tif files, only notes.txt: check the path"),
        ("/*.png", "fits no file; {} holds notes.txt: check the path"),
        ("/none/*.png", "fits no file: the folder {}/none does not exist"),
        ("/note.txt", "does not exist: did you mean notes.txt?"),
    ],
)
def test_a_place_without_images_is_an_error_that_names_what_is_there(tmp_path, place, told):
    (tmp_path / "notes.txt").touch()
    (tmp_path / ".hidden.png").touch()
    message = f"data.root={tmp_path}{place} {told.format(tmp_path)}"
    with pytest.raises(FileNotFoundError, match=re.escape(message)):
        find_files(f"{tmp_path}{place}", SUFFIXES)


@pytest.fixture
def linked(tmp_path):
    """Two folders of images, and a folder of links to them, to its own parent and to itself."""
    for name in ("disk/a.png", "disk/deep/b.png", "other/c.png", "other/.d/e.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    root = tmp_path / "root"
    (root / "in").mkdir(parents=True)
    (root / "one").symlink_to(tmp_path / "disk")
    (root / "two").symlink_to(tmp_path / "other", target_is_directory=True)
    (root / "in" / "parent").symlink_to(root)
    (root / "in" / "itself").symlink_to(root / "in")
    (root / "in" / "again").symlink_to("../../disk")
    (root / "z.png").symlink_to(tmp_path / "other" / "c.png")
    (root / "nowhere.png").symlink_to(tmp_path / "gone.png")
    return root


@pytest.mark.parametrize("pattern", ["", "/**/*.png", "/**", "/**/**/*"])
def test_linked_folders_are_searched_and_each_file_is_found_once(linked, pattern):
    found = find_files(f"{linked}{pattern}", SUFFIXES)
    real = [Path(os.path.realpath(path)).name for path in found]
    assert sorted(real) == ["a.png", "b.png", "c.png"]
    assert find_files(f"{linked}{pattern}", SUFFIXES) == found


def test_a_link_to_a_folder_can_be_the_root_and_a_part_of_a_glob(linked):
    assert names(linked, find_files(f"{linked}/one", SUFFIXES)) == ["one/a.png", "one/deep/b.png"]
    assert names(linked, find_files(f"{linked}/t*/*.png", SUFFIXES)) == ["two/c.png"]


def test_links_in_circles_end(tmp_path):
    """Each of three folders is linked in each: walking on would not end within a lifetime."""
    for name in "abc":
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.png").touch()
        for other in "abc":
            (tmp_path / name / f"to_{other}").symlink_to(tmp_path / other)
    for root in (tmp_path, tmp_path / "**" / "*.png"):
        found = find_files(str(root), SUFFIXES)
        assert [path.name for path in found] == ["a.png", "b.png", "c.png"]


def test_a_folder_of_others_needs_no_library_of_dicom(tmp_path, monkeypatch):
    for name in [each for each in sys.modules if each.startswith("srlab.io.volume.dicom")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pydicom", None)
    (tmp_path / "a.png").touch()
    assert find_files(str(tmp_path), [".png"]) == [tmp_path / "a.png"]
    (tmp_path / "b.dcm").touch()
    with pytest.raises(ModuleNotFoundError, match="pip install 'srlab\\[dicom\\]'"):
        find_files(str(tmp_path), [".dcm"])
