"""Every recipe runs, made small."""

import csv
import math
from pathlib import Path

import numpy as np
import pytest
import rasterio
from conftest import Outcome
from PIL import Image

from srlab.cli.configuration import config_dir

STEPS = [
    *("trainer.max_steps=4", "trainer.val_check_interval=2", "trainer.log_every_n_steps=1"),
    *(
        "schedule.pretrain_steps=2",
        "schedule.ramp_steps=1",
        "loader.batch_size=2",
        "loader.num_workers=0",
    ),
]
SMALL_SRGAN = [
    "discriminator.channels=4",
    "discriminator.pooled_size=1",
    "discriminator.dense_channels=8",
]
SMALL_ESRGAN = ["discriminator.channels=4", "discriminator.dense_channels=8"]
VGG = ["loss.perceptual_vgg.term.weights=random"]
PHOTOGRAPHS, SCENES = ["data.root=photographs"], ["data.root=scenes", "data.validation_size=128"]

SMALL = {
    "demo": ["generator.channels=8", *SMALL_SRGAN],
    "srgan": [*PHOTOGRAPHS, "generator.channels=8", "generator.blocks=1", *SMALL_SRGAN, *VGG],
    "esrgan": [*PHOTOGRAPHS, "generator.channels=8", "generator.blocks=1", *SMALL_ESRGAN, *VGG],
    "opensr_rgbn_x4": [*SCENES, "generator.channels=16", "generator.blocks=1", *SMALL_SRGAN, *VGG],
    "opensr_swir_x8": [
        *SCENES,
        "generator.channels=8",
        "generator.blocks=1",
        "discriminator.channels=4",
    ],
}
BANDS = ["B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12"]


@pytest.fixture
def files(tmp_path):
    """Photographs, and scenes whose bands have Sentinel-2's names."""
    noise = np.random.default_rng(0)
    (tmp_path / "photographs").mkdir()
    (tmp_path / "scenes").mkdir()
    for number in range(2):
        Image.fromarray(noise.integers(0, 255, (256, 256, 3), dtype=np.uint8)).save(
            tmp_path / "photographs" / f"{number}.png"
        )
        with rasterio.open(
            tmp_path / "scenes" / f"{number}.tif", "w", width=384, height=384, count=len(BANDS),
            dtype="uint16",
            crs="EPSG:32633", transform=rasterio.transform.from_origin(5e5, 5e6, 10, 10),
        ) as scene:  # fmt: skip
            scene.write(noise.integers(1, 4000, (len(BANDS), 384, 384), dtype=np.uint16))
            scene.descriptions = BANDS


@pytest.mark.parametrize(
    "name", sorted(path.stem for path in (Path(config_dir()) / "experiment").glob("*.yaml"))
)
def test_recipe_runs_in_both_phases(command, tmp_path, files, name):
    assert command(
        "train", f"experiment={name}", *STEPS, *SMALL[name], "hydra.run.dir=run"
    ) == Outcome(0, "")
    with (tmp_path / "run" / "metrics.csv").open() as file:
        rows = [
            {key: float(value) for key, value in row.items() if value}
            for row in csv.DictReader(file)
        ]
    assert all(math.isfinite(value) for row in rows for value in row.values())
    assert "loss/adversarial" not in rows[1]
    assert rows[3]["loss/adversarial"] > 0
    assert (tmp_path / "run" / "model.safetensors").is_file()


def test_photographic_recipes_change_their_content_loss_with_the_phase(command, tmp_path, files):
    given = [*STEPS, *SMALL["esrgan"], "hydra.run.dir=run"]
    assert command("train", "experiment=esrgan", *given) == Outcome(0, "")
    with (tmp_path / "run" / "metrics.csv").open() as file:
        rows = {
            row["step"]: {name for name, value in row.items() if value}
            for row in csv.DictReader(file)
        }
    assert "loss/l1" in rows["2"]
    assert not {"loss/l1_beside", "loss/perceptual_vgg"} & rows["2"]
    assert {"loss/l1_beside", "loss/perceptual_vgg"} <= rows["3"]
    assert "loss/l1" not in rows["3"]
