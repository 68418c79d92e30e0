"""A run on values of another unit than its configuration's ends before its first update."""

import numpy as np
import pytest
import rasterio
from conftest import Outcome
from rasterio.transform import from_origin

import srlab

GIVEN = [
    *("data=sentinel2", "data.root=scenes", "data.bands=[1,2]", "data.crop_size=16", "scale=2"),
    *("data.validation_size=32", "generator.channels=4", "generator.blocks=1", "ema=null"),
    *("discriminator=none", "loader.batch_size=1", "loader.num_workers=0", "logger=[csv]"),
    *("trainer.max_steps=1", "trainer.log_every_n_steps=1", "hydra.run.dir=run"),
]


def scenes(root, dtype, top, *, factor=1.0):
    (root / "scenes").mkdir()
    profile = {"driver": "GTiff", "count": 2, "height": 48, "width": 48, "dtype": dtype}
    for number in range(2):
        values = np.random.default_rng(number).uniform(0, top, (2, 48, 48)).astype(dtype)
        place = from_origin(4e5 + 1000 * number, 6e6, 10, 10)
        path = root / "scenes" / f"{number}.tif"
        with rasterio.open(path, "w", crs="EPSG:32633", transform=place, **profile) as file:
            file.write(values)
            file.scales = (factor, factor)


@pytest.mark.parametrize(
    ("dtype", "top", "factor", "check"),
    [
        ("float32", 0.4, 1.0, "value_range"),
        ("int16", 4000, 1e-4, "dtype"),
    ],
)
def test_another_unit_is_refused_unless_forced(command, tmp_path, dtype, top, factor, check):
    scenes(tmp_path, dtype, top, factor=factor)
    error = command("train", *GIVEN).error
    assert "the configuration speaks of values up to 1" in error
    assert "set data.data_range and data.unit" in error
    assert f"force=[{check}]" in error
    assert not (tmp_path / "run" / "metrics.csv").exists()
    assert command("train", *GIVEN, "force=[dtype,value_range]") == Outcome(0, "")


def test_the_card_holds_the_degradation(command, tmp_path):
    scenes(tmp_path, "uint16", 4000)
    given = ["degradation=bicubic_uint8", "degradation.integers=[0,9999]"]
    assert command("train", *GIVEN, *given) == Outcome(0, "")
    card = srlab.load(tmp_path / "run" / "model.safetensors").card
    assert card.degradation == {
        "_target_": "srlab.degradations.Bicubic",
        "scale": 2,
        "spatial_dims": 2,
        "integers": [0, 9999],
    }
