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
}
"""What makes the commands of the page short."""


def block(language):
    found, *_ = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return found


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the page's files, and arrays in which a few pixels are missing."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "my_arrays.py").write_text(block("python"))
    (tmp_path / "conf" / "data").mkdir(parents=True)
    (tmp_path / "conf" / "data" / "arrays.yaml").write_text(block("yaml"))
    (tmp_path / "ARRAYS").mkdir()
    random = np.random.default_rng(0)
    for number in range(3):
        image = 100 * random.random((2, 64, 72), np.float32)
        image[:, 5:9, 5:9] = np.nan
        np.save(tmp_path / "ARRAYS" / f"{number}.npy", image)
    return tmp_path


def test_commands_of_the_page_run(command, folder):
    lines = block("sh").replace("$PWD", str(folder)).strip().splitlines()
    for line in lines:
        python, _, module, *given = shlex.split(line)
        name = module.removeprefix("srlab.")
        assert (python, command(name, *given, *QUICK[name])) == ("python", Outcome(0, ""))
    model = srlab.load(folder / "RUN" / "model.safetensors")
    assert (model.card.unit, model.card.input_names) == ("W/m²/sr/µm", ("channel 1",))
    assert model(100 * torch.rand(1, 1, 8, 8)).shape == (1, 1, 16, 16)


def test_mistakes_end_in_one_line(command, folder):
    given = [f"hydra.searchpath=[file://{folder}/conf]", "data=arrays", *QUICK["train"]]
    assert command("train", *given, "data.root=conf").error == (
        "error: data.root=conf holds no .npy files; name their folder."
    )
    outcome = command("train", *given, "data.root=ARRAYS", "data.crop_size=large")
    assert outcome.error == "error: data.crop_size is 'large'; give a whole number."
