"""A folder, a glob or a list of inputs, and the table of what became of them."""

import csv
import json

import maker_files
import numpy as np
import pytest
from conftest import Outcome
from PIL import Image

from srlab.io.naming import is_many, output_of
from srlab.prediction import pairs_of

BROKEN = "photos/broken.png"


@pytest.fixture
def photos(tmp_path):
    """Two pictures, of which one lies deeper, and a damaged one."""
    random = np.random.default_rng(0)
    for name in ("photos/a.png", "photos/deep/b.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 255, (20, 24, 3), np.uint8)).save(tmp_path / name)
    (tmp_path / BROKEN).write_bytes(b"\x89PNG no picture")
    return tmp_path / "photos"


def manifest(folder):
    rows = json.loads((folder / "manifest.json").read_text())
    with (folder / "manifest.csv").open(newline="") as file:
        assert [row["status"] for row in csv.DictReader(file)] == [row["status"] for row in rows]
    return {row["input"].rpartition("/")[2]: row for row in rows}


def test_a_folder_gives_a_folder_and_a_failure_stops_no_other(command, tmp_path, trained, photos):
    given = (f"model={trained}/model.safetensors", "input=photos", "output=out")
    outcome = command("predict", *given)
    assert outcome.code == 1
    assert "1 of 3 files failed: photos/broken.png. The reasons" in outcome.error
    assert Image.open(tmp_path / "out" / "a.png").size == (96, 80)
    assert Image.open(tmp_path / "out" / "deep" / "b.jpg").size == (96, 80)
    rows = manifest(tmp_path / "out")
    assert {name: row["status"] for name, row in rows.items()} == {
        "a.png": "done", "broken.png": "failed", "b.jpg": "done",
    }  # fmt: skip
    assert "is not a raster that GDAL can read" in rows["broken.png"]["message"]
    assert rows["a.png"]["pixels"] == 96 * 80
    assert json.loads(rows["a.png"]["settled"])["join"] == "crop"

    (tmp_path / BROKEN).unlink()
    assert command("predict", *given) == Outcome(0, "")
    assert {row["status"] for row in manifest(tmp_path / "out").values()} == {"skipped"}


def test_what_is_refused_before_the_first_file_leaves_no_folder(command, tmp_path, photos):
    assert "there is no model" in command("predict", "model=m", "input=photos", "output=out").error
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]


def test_a_list_goes_into_one_folder_and_two_of_one_name_are_refused(
    command, tmp_path, trained, photos
):
    given = (f"model={trained}/model.safetensors", "output=out")
    inputs = "input=[photos/a.png,photos/deep/b.jpg]"
    assert command("predict", *given, inputs) == Outcome(0, "")
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["a.png", "b.jpg", "manifest.csv", "manifest.json"]
    (photos / "deep" / "a.png").write_bytes((photos / "a.png").read_bytes())
    outcome = command("predict", *given, "input=[photos/a.png,photos/deep/a.png]")
    assert outcome.code == 1
    assert "photos/a.png and photos/deep/a.png would both become" in outcome.error


def test_an_input_that_is_named_twice_counts_once(photos, monkeypatch):
    monkeypatch.chdir(photos.parent)
    again = ["photos/a.png", str(photos / "a.png"), "photos/deep/../a.png", "photos/a*.png"]
    (pair,) = pairs_of(again, "out")
    assert str(pair.source) == "photos/a.png"


def test_a_glob_keeps_the_folders_that_it_leaves_open(photos, monkeypatch):
    monkeypatch.chdir(photos.parent)
    (photos / "deep" / "a.png").write_bytes((photos / "a.png").read_bytes())
    pairs = pairs_of("photos/**/a.png", "out")
    targets = [str(pair.output.relative_to(photos.parent)) for pair in pairs]
    assert targets == ["out/a.png", "out/deep/a.png"]


def test_each_image_of_a_file_becomes_one_of_its_own(tmp_path, monkeypatch):
    pytest.importorskip("liffile")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    for name in ("a.lif", "in/b.lif"):
        names = ("P/cell 1", "P/cell 2", "no")
        maker_files.lif(tmp_path / name, maker_files.values(), names=names)
    for given in ("a.lif#*cell?2", "in/*.lif#P/*", ["a.lif#2", "a.lif#no"]):
        assert is_many(given)
    outputs = [pair.output.name for pair in pairs_of("in/*.lif#P/*", "out")]
    assert outputs == ["b_P_cell_1.ome.tif", "b_P_cell_2.ome.tif"]
    assert [str(pair.source) for pair in pairs_of("a.lif#*", "out")][2] == "a.lif#no"
    assert not is_many("a.lif#P/cell 1")
    assert str(output_of("a.lif#P/cell 1", ".")) == "a_P_cell_1.ome.tif"
    with pytest.raises(ValueError, match=r"no image fits #x\*; .* holds 3 images"):
        pairs_of("a.lif#x*", "out")


def test_outputs_among_the_inputs_or_in_the_name_of_one_file_are_refused(photos):
    with pytest.raises(ValueError, match="the next run would take the outputs for inputs"):
        pairs_of(str(photos), str(photos / "out"))
    with pytest.raises(ValueError, match=r"out.png names one file, .*: name a folder"):
        pairs_of(str(photos), "out.png")


def test_a_glob_of_one_folder_may_have_its_outputs_below(photos, monkeypatch):
    monkeypatch.chdir(photos)
    (pair,) = pairs_of("*a.png", "out")
    assert pair.output == photos / "out" / "a.png"
    with pytest.raises(ValueError, match="lies in that of the inputs"):
        pairs_of("**/*.png", "out")


def test_what_is_one_image_is_not_many(tmp_path):
    (tmp_path / "x.zarr").mkdir()
    (tmp_path / "a[1].tif").touch()
    assert not is_many(str(tmp_path / "x.zarr"))
    assert not is_many(str(tmp_path / "a[1].tif"))
    assert not is_many("/vsizip/a.zip/*.tif")
    assert is_many(str(tmp_path))
    assert is_many(str(tmp_path / "*.tif"))


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.png", "a.png"), ("a.jp2", "a.tif"), ("a.mgz", "a.nii.gz"), ("a.avi", "a.mkv")],
)
def test_in_a_folder_an_output_has_its_inputs_name_in_a_format_that_is_written(
    tmp_path, name, expected
):
    assert output_of(name, str(tmp_path)) == tmp_path / expected
    assert output_of(name, str(tmp_path / "x.tif")) == tmp_path / "x.tif"
