"""The recipe of docs/your_own_data.md works as it stands there."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Outcome

import srlab

PAGE = (Path(__file__).parents[2] / "docs" / "your_own_data.md").read_text()

QUICK = {
    "train": [
        *("trainer.max_steps=3", "schedule.pretrain_steps=1", "schedule.ramp_steps=1"),
        *("generator.channels=8", "generator.blocks=1", "discriminator=patchgan", "scale=2"),
        *("discriminator.channels=4", "discriminator.layers=1", "loader.batch_size=2"),
        *("loader.num_workers=0", "logger=[csv]"),
    ],
    "evaluate": [],
    "predict": [],
}
"""What makes the commands of the page short."""


ARRAYS, _, CLASS = PAGE.partition("## The class")


def block(language, part=CLASS):
    found, *_ = re.findall(rf"```{language}\n(.*?)```", part, re.DOTALL)
    return found


def run(command, lines):
    """Run the lines of a block, with what makes them short."""
    for line in lines.strip().splitlines():
        python, _, module, *given = shlex.split(line)
        name = module.removeprefix("srlab.")
        assert (python, command(name, *given, *QUICK[name])) == ("python", Outcome(0, ""))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the page's files, and tensors in which a few pixels are missing."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "my_tensors.py").write_text(block("python"))
    (tmp_path / "conf" / "data").mkdir(parents=True)
    (tmp_path / "conf" / "data" / "tensors.yaml").write_text(block("yaml"))
    (tmp_path / "TENSORS").mkdir()
    random = np.random.default_rng(0)
    for number in range(3):
        image = 100 * random.random((2, 64, 72), np.float32)
        image[:, 5:9, 5:9] = np.nan
        torch.save(torch.from_numpy(image), tmp_path / "TENSORS" / f"{number}.pt")
    return tmp_path


def test_commands_of_the_page_run(command, folder):
    run(command, block("sh").replace("$PWD", str(folder)))
    model = srlab.load(folder / "RUN" / "model.safetensors")
    assert (model.card.unit, model.card.input_names) == ("W/m²/sr/µm", ("channel 1",))
    assert model(100 * torch.rand(1, 1, 8, 8)).shape == (1, 1, 16, 16)


def test_commands_for_arrays_run(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ARRAYS").mkdir()
    for number in range(2):
        image = np.random.default_rng(number).integers(0, 255, (3, 128, 128))
        np.save(tmp_path / "ARRAYS" / f"{number}.npy", image.astype(np.uint8))
    run(command, block("sh", ARRAYS))
    written = np.load("0_x4.npy")
    assert (written.shape, written.dtype) == ((3, 256, 256), np.uint8)


def test_mistakes_end_in_one_line(command, folder):
    given = [f"hydra.searchpath=[file://{folder}/conf]", "data=tensors", *QUICK["train"]]
    assert command("train", *given, "data.root=conf").error == (
        "error: data.root=conf holds no .pt files; name their folder."
    )
    outcome = command("train", *given, "data.root=TENSORS", "data.crop_size=large")
    assert outcome.error == "error: data.crop_size is 'large'; give a whole number."
