"""Runs with several dates of a place, down to a prediction from several files."""

import json

import numpy as np
import pytest
import rasterio
from affine import Affine
from conftest import TINY, Outcome

PLACE = Affine(10, 0, 700_000, 0, -10, 5_200_000)


def write(path, seed):
    image = np.random.default_rng(seed).integers(1000, 3000, (2, 96, 96), dtype=np.uint16)
    shape = {"count": 2, "height": 96, "width": 96, "dtype": "uint16"}
    with rasterio.open(path, "w", driver="GTiff", crs="EPSG:32632", transform=PLACE, **shape) as to:
        to.write(image)
        to.descriptions = ("B04", "B08")


@pytest.fixture
def place(tmp_path):
    (tmp_path / "place").mkdir()
    for month in (1, 2, 3):
        write(tmp_path / "place" / f"2024-0{month}-01.tif", month)
    return tmp_path / "place"


def test_a_model_of_two_dates_is_trained_scored_and_used(command, tmp_path, place):
    data = ["data=dates", "data.root=place", "data.name={place}/{date}", "data.bands=[B04,B08]"]
    data += ["data.dates=2", "data.test_size=96"]
    steps = ["trainer.max_steps=4", "schedule.pretrain_steps=2", "schedule.ramp_steps=1"]
    steps += ["split.fraction=0.4"]
    run = [*TINY, *data, *steps, "scale=2", "generator.skip=cubic", "hydra.run.dir=run"]
    assert command("train", *run) == Outcome(0, "")
    model = "model=run/model.safetensors"
    assert command("evaluate", model, *data) == Outcome(0, "")
    used = [model, "input=place/2024-03-01.tif"]
    assert "takes 2 dates" in command("predict", *used, "output=sr.tif").error
    assert command("predict", *used, "dates=place", "output=sr.tif") == Outcome(0, "")
    # the file before the input is the one that counts
    alone = "dates=place/2024-02-01.tif"
    assert command("predict", *used, alone, "output=alone.tif") == Outcome(0, "")
    with rasterio.open("sr.tif") as file, rasterio.open("alone.tif") as same:
        assert file.descriptions == ("B04", "B08")
        assert file.shape == (192, 192)
        np.testing.assert_array_equal(file.read(), same.read())
        assert json.loads(file.tags()["SETTINGS"])["dates"] == "place"
        assert file.tags()["SRLAB_DATES"].endswith("2024-02-01.tif")
