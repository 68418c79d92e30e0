"""Runs whose HR is another sensor's: other bands, another grid."""

import csv

import numpy as np
import pytest
import rasterio
from affine import Affine
from conftest import TINY, Outcome
from scipy import ndimage

PLACE = Affine(20, 0, 700_000, 0, -20, 5_200_000)


def write(path, image, place, names):
    with rasterio.open(
        path, "w", driver="GTiff", dtype="uint16", crs="EPSG:32632", transform=place,
        count=len(image), height=image.shape[1], width=image.shape[2],
    ) as file:  # fmt: skip
        file.write(image.astype(np.uint16))
        file.descriptions = names


@pytest.fixture
def pair(tmp_path):
    """Two bands of 20 m, and one of 10 m whose pixels lie half a pixel beside."""
    fine = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(384, 384)), 3)
    fine = 5000 + 20_000 * fine
    coarse = fine.reshape(96, 4, 96, 4).mean(axis=(1, 3))
    write(tmp_path / "lr.tif", np.stack([coarse, 2 * coarse]), PLACE, ("B4", "B5"))
    moved = fine[1:-1, 1:-1].reshape(191, 2, 191, 2).mean(axis=(1, 3))
    place = PLACE @ Affine.scale(0.5) @ Affine.translation(0.5, 0.5)
    write(tmp_path / "hr.tif", moved[None], place, ("pan",))
    return [
        "data=sensor_pair",
        f"data.lr_root={tmp_path / 'lr.tif'}",
        f"data.root={tmp_path / 'hr.tif'}",
        "data.bands=[B4,B5]",
        "data.hr_bands=[pan]",
    ]


def test_a_model_of_two_bands_for_one_other_is_trained_scored_and_used(command, tmp_path, pair):
    steps = ["trainer.max_steps=4", "schedule.pretrain_steps=2", "schedule.ramp_steps=1"]
    run = [*TINY, *pair, *steps, "scale=2", "hydra.run.dir=run"]
    assert command("train", *run) == Outcome(0, "")
    model = "model=run/model.safetensors"
    assert command("evaluate", model, *pair, "data.test_size=96", "output=scores") == Outcome(0, "")
    with (tmp_path / "scores" / "scores.csv").open() as file:
        header, *rows = csv.reader(file)
    assert header == ["image", "psnr_model", "ssim_model"]  # no band of LR is HR's
    assert len(rows) == 1
    assert command("predict", model, "input=lr.tif", "output=sr.tif") == Outcome(0, "")
    with rasterio.open("sr.tif") as file:
        assert file.shape == (192, 192)
        assert file.descriptions == ("pan",)
        assert file.transform.almost_equals(PLACE @ Affine.scale(0.5))
