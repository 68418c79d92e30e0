"""Short runs with each normaliser: it trains, goes on exactly, and predicts."""

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
    *("data=rgb_folder", "data.root=photographs", "data.validation_size=64"),
    *("trainer.max_steps=4", "trainer.val_check_interval=2", "callbacks.checkpoints.keep=2"),
    *("schedule.pretrain_steps=2", "hydra.run.dir=run", "logger=[csv]"),
]

MEASURED = {
    "zscore": ("normaliser=zscore", "training"),
    "zscore over all": ("normaliser=zscore normaliser.per_channel=false", "training"),
    "zscore of scenes": ("normaliser=zscore normaliser.scope=scene", "scene"),
    "percentile of scenes over all": (
        "normaliser=percentile normaliser.scope=scene normaliser.per_channel=false",
        "scene",
    ),
    "histogram": ("normaliser=histogram normaliser@normaliser.mapping=zscore", "training"),
    "paired": ("normaliser=paired normaliser@normaliser.of_hr=minmax", "training"),
}
GIVEN_NUMBERS = {
    "identity": "normaliser=identity",
    "minmax": "normaliser=minmax",
    "reflectance": "normaliser=reflectance normaliser.quantification=255",
    "arcsinh": "normaliser=arcsinh normaliser.softening=20",
    "log": "normaliser=log normaliser.softening=20",
    "custom": "normaliser=custom normaliser.forward=my_units.to normaliser.inverse=my_units.back",
}
RUNS = MEASURED | {name: (given, "fixed") for name, given in GIVEN_NUMBERS.items()}

MY_UNITS = """
def to(image):
    return image / 100 - 1

def back(image):
    return (image + 1) * 100

def clamped(image):
    return back(image).clamp(0, 50)
"""


@pytest.fixture
def photographs(tmp_path, monkeypatch):
    """Three pictures of quite different brightness, as arrays; the middle one is held out."""
    noise = np.random.default_rng(0)
    pictures = [noise.integers(0, high, (80, 96, 3), np.uint8) for high in (60, 150, 255)]
    (tmp_path / "photographs").mkdir()
    for number, picture in enumerate(pictures):
        Image.fromarray(picture).save(tmp_path / "photographs" / f"{number}.png")
    (tmp_path / "my_units.py").write_text(MY_UNITS)
    monkeypatch.syspath_prepend(tmp_path)
    return pictures


def state(path):
    return torch.load(path, weights_only=True)


# The others differ by their formula alone, which has tests of its own.
OFTEN = ("zscore of scenes", "histogram", "paired", "custom")
NAMES = [name if name in OFTEN else pytest.param(name, marks=pytest.mark.slow) for name in RUNS]


@pytest.mark.parametrize("name", NAMES)
def test_normaliser_trains_resumes_exactly_and_predicts(command, tmp_path, photographs, name):
    given, scope = RUNS[name]
    assert command("train", *GIVEN, *given.split()) == Outcome(0, "")
    checkpoints = tmp_path / "run" / "checkpoints"
    whole = state(checkpoints / "last.ckpt")["state_dict"]

    halfway = [path for path in checkpoints.glob("best*") if state(path)["global_step"] == 2]
    shutil.copy(halfway[0], checkpoints / "last.ckpt")
    (tmp_path / "run" / "status.json").unlink()
    assert command("train", "resume=last", "hydra.run.dir=run") == Outcome(0, "")
    again = state(checkpoints / "last.ckpt")["state_dict"]
    different = [key for key in whole if not whole[key].equal(again[key])]
    if scope == "scene":  # the numbers of the training split are not used, and NaN
        different = [key for key in different if not key.startswith("normaliser.")]
    assert different == []

    path, trust = tmp_path / "run" / "model.safetensors", name == "custom"
    if trust:
        with pytest.raises(ValueError, match=r"'my_units.to'.* trust=true allows others"):
            srlab.load(path)
    assert srlab.load(path, trust=trust).card.scope == scope
    assert (tmp_path / "run" / "scenes.json").is_file() == (scope == "scene")
    made = ["model=run/model.safetensors", "input=photographs/0.png", "output=x4.png"]
    assert command("predict", *made, f"trust={str(trust).lower()}") == Outcome(0, "")
    assert Image.open(tmp_path / "x4.png").size == (384, 320)


def test_numbers_are_those_of_the_training_split(command, tmp_path, photographs):
    assert command("train", *GIVEN, "normaliser=paired", "degradation=area") == Outcome(0, "")
    model = srlab.load(tmp_path / "run" / "model.safetensors")
    hr = [photographs[number].astype(float) for number in (0, 2)]
    lr = [image.reshape(20, 4, 24, 4, 3).mean(axis=(1, 3)) for image in hr]
    for part, images in ((model.normaliser.of_hr, hr), (model.normaliser.of_lr, lr)):
        pixels = np.concatenate([image.reshape(-1, 3) for image in images])
        np.testing.assert_allclose(part.statistics[MEAN], pixels.mean(0), rtol=1e-5)
        np.testing.assert_allclose(part.statistics[DEVIATION], pixels.std(0), rtol=1e-5)


def test_functions_that_do_not_undo_each_other_are_refused(command, photographs):
    given = ["normaliser=custom", "normaliser.forward=my_units.to"]
    outcome = command("train", *GIVEN, *given, "normaliser.inverse=my_units.clamped")
    assert "the inverse of Custom makes 50 of what was" in outcome.error
    outcome = command("train", *GIVEN, *given, "normaliser.inverse=my_units.bock")
    assert "normaliser.inverse is 'my_units.bock', which cannot be imported" in outcome.error


def test_a_scene_is_measured_as_a_whole(command, tmp_path, photographs):
    """Tiles of one scene are normalised alike: by the numbers of the file, and not of a tile."""
    given = ["normaliser=zscore", "normaliser.scope=scene"]
    assert command("train", *GIVEN, *given) == Outcome(0, "")
    for tile, overlap in (("auto", "auto"), (48, 20)):
        name = f"output={tile}.tif"
        made = ["model=run/model.safetensors", "input=photographs/2.png", name]
        assert command("predict", *made, f"tile={tile}", f"overlap={overlap}") == Outcome(0, "")
    one, other = (np.asarray(Image.open(tmp_path / f"{each}.tif")) for each in ("auto", 48))
    assert np.abs(one.astype(int) - other).max() <= 1
