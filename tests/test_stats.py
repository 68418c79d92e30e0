import json

import numpy as np
import pytest
from conftest import Outcome
from PIL import Image


@pytest.fixture
def photographs(tmp_path):
    random = np.random.default_rng(0)
    (tmp_path / "photographs").mkdir()
    pictures = [random.integers(0, high, (40, 48, 3), np.uint8) for high in (60, 255)]
    for number, picture in enumerate(pictures):
        Image.fromarray(picture).save(tmp_path / "photographs" / f"{number}.png")
    return np.concatenate([picture.reshape(-1, 3) for picture in pictures])


def test_command_tells_draws_and_leaves_nothing_else(command, tmp_path, photographs, capsys):
    given = ["data=rgb_folder", "data.root=photographs", "output=a b.png", "json=all.json"]
    assert command("stats", *given) == Outcome(0, "")
    text = capsys.readouterr().out
    assert "2 files; unit: 8-bit value; full scale: 255" in text
    assert "suggested: normaliser=minmax" in text
    found = json.loads((tmp_path / "all.json").read_text())
    np.testing.assert_allclose(found["files"]["statistics"]["mean"], photographs.mean(axis=0))
    assert len(found["files"]["files"]) == 2
    names = {"photographs", "a b.png", "all.json"}
    assert {path.name for path in tmp_path.iterdir()} == names

    assert "a b.png exists" in command("stats", *given).error
    assert command("stats", *given, "overwrite=true") == Outcome(0, "")


def test_measured_pairs_are_told_side_by_side(command, tmp_path, photographs, capsys):
    (tmp_path / "lr").mkdir()
    for number in range(2):
        picture = Image.open(tmp_path / "photographs" / f"{number}.png")
        picture.reduce(2).point(lambda value: value // 3).save(tmp_path / "lr" / f"{number}.png")
    given = ["data=paired_folder", "data.root=photographs", "data.lr_root=lr", "scale=2"]
    assert command("stats", *given) == Outcome(0, "")
    text = capsys.readouterr().out
    assert "LR R " in text
    assert "HR B " in text
    assert "suggested: normaliser=paired" in text
    assert {path.name for path in tmp_path.iterdir()} == {"photographs", "lr"}


def test_mistakes_end_in_one_line(command, tmp_path, photographs):
    assert command("stats", "data=rgb_folder").error.startswith("error: data.root")
    outcome = command("stats", "data=rgb_folder", "data.root=photographs", "output=none/a.png")
    assert "does not exist" in outcome.error
    for given, message in (
        ("output=a.jpg", "output is a.jpg; its name must end in .png."),
        ("normaliser=zscore", "normaliser= changes nothing here: files are measured as they are."),
    ):
        outcome = command("stats", "data=rgb_folder", "data.root=photographs", given)
        assert outcome.error == f"error: {message}"


def test_a_damaged_file_counts_for_nothing(command, tmp_path, photographs, capsys):
    for number in range(2, 4):
        whole = tmp_path / "photographs" / f"{number - 2}.png"
        (tmp_path / "photographs" / f"{number}.png").write_bytes(whole.read_bytes())
    (tmp_path / "photographs" / "9.png").write_bytes(whole.read_bytes()[:900])
    assert command("stats", "data=rgb_folder", "data.root=photographs") == Outcome(0, "")
    text = capsys.readouterr().out
    assert "9.png is left out" in text
    assert "4 files" in text
    assert text.count("100 %") == 3
