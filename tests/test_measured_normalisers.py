"""Runs whose normaliser measures its numbers: in the training split, or in each file."""

import shutil

import numpy as np
import pytest
import torch
from conftest import TINY, Outcome
from PIL import Image

import srlab
from srlab.normalisers.statistics import DEVIATION, MEAN

GIVEN = [
    *TINY,
    *("data=rgb_folder", "data.root=photographs", "data.validation_size=64", "normaliser=zscore"),
    *("trainer.max_steps=4", "trainer.val_check_interval=2", "callbacks.checkpoints.keep=2"),
    *("schedule.pretrain_steps=2", "hydra.run.dir=run", "logger=[csv]"),
]


@pytest.fixture
def photographs(tmp_path):
    """Three pictures of quite different brightness, as arrays; the middle one is held out."""
    noise = np.random.default_rng(0)
    pictures = [noise.integers(0, high, (80, 96, 3), np.uint8) for high in (60, 150, 255)]
    (tmp_path / "photographs").mkdir()
    for number, picture in enumerate(pictures):
        Image.fromarray(picture).save(tmp_path / "photographs" / f"{number}.png")
    return pictures


def state(path):
    return torch.load(path, weights_only=True)


@pytest.mark.parametrize("scope", ["training", "scene"])
def test_zscore_trains_resumes_exactly_and_predicts(command, tmp_path, photographs, scope):
    given = [*GIVEN, f"normaliser.scope={scope}"]
    assert command("train", *given) == Outcome(0, "")
    checkpoints = tmp_path / "run" / "checkpoints"
    whole = state(checkpoints / "last.ckpt")["state_dict"]

    halfway = [path for path in checkpoints.glob("best*") if state(path)["global_step"] == 2]
    shutil.copy(halfway[0], checkpoints / "last.ckpt")
    (tmp_path / "run" / "status.json").unlink()
    assert command("train", "resume=last", "hydra.run.dir=run") == Outcome(0, "")
    again = state(checkpoints / "last.ckpt")["state_dict"]
    different = [name for name in whole if not whole[name].equal(again[name])]
    assert [name for name in different if not name.startswith("normaliser.")] == []

    model = srlab.load(tmp_path / "run" / "model.safetensors")
    assert model.card.scope == scope
    if scope == "training":
        assert different == []
        pixels = np.concatenate([photographs[0].reshape(-1, 3), photographs[2].reshape(-1, 3)])
        np.testing.assert_allclose(model.normaliser.statistics[MEAN], pixels.mean(0), rtol=1e-5)
        np.testing.assert_allclose(model.normaliser.statistics[DEVIATION], pixels.std(0), rtol=1e-5)
    else:
        assert (tmp_path / "run" / "scenes.json").is_file()

    made = ["model=run/model.safetensors", "input=photographs/0.png", "output=x4.png"]
    assert command("predict", *made) == Outcome(0, "")
    assert Image.open(tmp_path / "x4.png").size == (384, 320)


def test_a_scene_is_measured_as_a_whole(command, tmp_path, photographs):
    """Tiles of one scene are normalised alike: by the numbers of the file, and not of a tile."""
    assert command("train", *GIVEN, "normaliser.scope=scene") == Outcome(0, "")
    for tile, overlap in (("auto", "auto"), (48, 20)):
        name = f"output={tile}.tif"
        made = ["model=run/model.safetensors", "input=photographs/2.png", name]
        assert command("predict", *made, f"tile={tile}", f"overlap={overlap}") == Outcome(0, "")
    one, other = (np.asarray(Image.open(tmp_path / f"{each}.tif")) for each in ("auto", 48))
    assert np.abs(one.astype(int) - other).max() <= 1
