"""What a run leaves behind that was refused before it began."""

import pytest

GIVEN = ("data=rgb_folder", "data.root=missing")


@pytest.mark.parametrize("folder", [(), ("hydra.run.dir=runs/first",)], ids=["usual", "named"])
def test_a_run_that_is_refused_leaves_no_folder(command, tmp_path, folder):
    assert "missing does not exist" in command("train", *GIVEN, *folder).error
    assert [*tmp_path.iterdir()] == []


def test_what_is_in_the_folder_of_a_refused_run_is_kept(command, tmp_path):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "notes.txt").write_text("mine")
    assert command("train", *GIVEN, "hydra.run.dir=runs").code == 1
    assert (tmp_path / "runs" / "notes.txt").read_text() == "mine"


def test_the_jobs_of_a_sweep_keep_what_was_wrong_with_them(command, tmp_path):
    assert command("train", "-m", *GIVEN, "hydra.sweep.dir=sweep", "seed=1,2").code == 1
    for job in ("0", "1"):
        assert "missing does not exist" in (tmp_path / "sweep" / job / "train.log").read_text()
