"""Every network of conf/ takes GAN steps in 2D and 3D, with a third party's data."""

import csv
import math
from itertools import cycle
from pathlib import Path

import pytest
from conftest import Outcome

from srlab.cli.configuration import config_dir

VOLUMES = '''
import numpy as np

from srlab.data.places.cropping import Cropping
from srlab.data.places.crops import RandomCrops
from srlab.data.places.fixed_views import FixedViews
from srlab.data.pairing.pairs import Pairing
from srlab.data.places.regions import Region
from srlab.io.array.memory import ArrayReader
from srlab.axes import per_axis


class Noise:
    """Smooth noise of any number of dimensions."""

    unit, data_range = "signal", 1.0

    def __init__(self, *, bands, scale, spatial_dims, degradation, crop_size, seed):
        self.bands, self.channel_names = tuple(bands), tuple(map(str, bands))
        shape = (len(bands), *[48] * spatial_dims)
        array = np.random.default_rng(0).random(shape, dtype=np.float32).cumsum(1) / 48
        pairing = Pairing(degradation, per_axis(scale, spatial_dims), seed)
        region = Region.whole(ArrayReader(array))
        self.axes = region.reader.description.axes
        self.training = RandomCrops([region], pairing, Cropping(crop_size=crop_size))
        part = region.part([0] * spatial_dims, [32] * spatial_dims)
        self.validation = self.test = FixedViews([part], pairing)
'''

VOLUMES_YAML = """
defaults:
  - override /normaliser@_global_.normaliser: identity
_target_: third_party_noise.Noise
bands: [1, 2]
scale: ${scale}
spatial_dims: ${spatial_dims}
degradation: ${degradation}
crop_size: 32
seed: ${seed}
"""

SMALL = {
    "generator": {
        "rcab": ["channels=8", "reduction=4", "blocks=1", "groups=1"],
        None: ["channels=4", "blocks=1"],
    },
    "discriminator": {
        "srgan": ["channels=4", "pooled_size=1", "dense_channels=4"],
        "esrgan": ["channels=4", "pooled_size=1", "dense_channels=4"],
        "patchgan": ["channels=4", "layers=1"],
        "multiscale": ["channels=4", "layers=1"],
        None: ["channels=4"],
    },
}

SKIPPED = {
    "generator": {
        "interpolation": "has nothing to train",
        "spandrel": "takes its architecture from weights=",
    },
    "discriminator": {"none": "is no network"},
}


def choices(group):
    return [name for name in classes(group) if name not in SKIPPED[group]]


def classes(group):
    """The YAMLs that name a class; the others are variants of these."""
    paths = sorted((Path(config_dir()) / group).glob("*.yaml"))
    return [path.stem for path in paths if "_target_" in path.read_text() or path.stem == "none"]


def small(group, name):
    return [f"{group}.{line}" for line in SMALL[group].get(name, SMALL[group][None])]


@pytest.fixture
def theirs(tmp_path, monkeypatch):
    (tmp_path / "third_party_noise.py").write_text(VOLUMES)
    (tmp_path / "conf" / "data").mkdir(parents=True)
    (tmp_path / "conf" / "data" / "noise.yaml").write_text(VOLUMES_YAML)
    monkeypatch.syspath_prepend(tmp_path)
    return [f"hydra.searchpath=[file://{tmp_path}/conf]", "data=noise"]


PAIRS = [(name, "srgan") for name in choices("generator")] + [
    ("compact", name) for name in choices("discriminator") if name != "srgan"
]
COMBINATIONS = [(*pair, dims) for pair, dims in zip(PAIRS, cycle([2, 3]), strict=False)]
"""Each network in images or in volumes; tests of their own try both without training."""


@pytest.mark.parametrize(("generator", "discriminator", "dims"), COMBINATIONS)
def test_takes_three_gan_steps(command, tmp_path, theirs, generator, discriminator, dims):
    scale = [2, 4] if dims == 2 else [1, 2, 4]
    steps = [
        "trainer.max_steps=3",
        "schedule.pretrain_steps=0",
        "schedule.ramp_steps=1",
        "trainer.log_every_n_steps=1",
    ]
    chosen = [
        f"generator={generator}",
        f"discriminator={discriminator}",
        f"scale={scale}",
        f"spatial_dims={dims}",
    ]
    sizes = [
        *small("generator", generator),
        *small("discriminator", discriminator),
        "loader.batch_size=2",
    ]
    given = [*theirs, *chosen, *sizes, *steps, "loader.num_workers=0", "hydra.run.dir=run"]
    assert command("train", *given) == Outcome(0, "")
    with (tmp_path / "run" / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    losses = [(float(row["loss/generator"]), float(row["loss/discriminator"])) for row in rows]
    assert len(losses) == 3
    assert all(math.isfinite(value) for pair in losses for value in pair)
    assert len(set(losses)) == 3  # both networks move, and the data with them
    from srlab import load

    assert load(tmp_path / "run" / "model.safetensors").card.scale == tuple(scale)


OBJECTIVES = classes("adversarial")
GAMES = [
    pytest.param(
        objective, discriminator, marks=() if discriminator == "patchgan" else pytest.mark.slow
    )
    for objective in OBJECTIVES
    for discriminator in choices("discriminator")
]


@pytest.mark.parametrize(("objective", "discriminator"), GAMES)
def test_every_game_is_played(command, tmp_path, theirs, objective, discriminator):
    steps = [
        "trainer.max_steps=8",
        "schedule.pretrain_steps=0",
        "schedule.ramp_steps=1",
        "trainer.log_every_n_steps=1",
    ]
    penalty = [] if objective == "wgan" else ["penalty=r1", "penalty.interval=4"]
    given = [
        *(
            *theirs,
            "generator=compact",
            *small("generator", "compact"),
            "loader.batch_size=2",
            "loader.num_workers=0",
        ),
        *(
            f"discriminator={discriminator}",
            *small("discriminator", discriminator),
            *steps,
            *penalty,
        ),
        *(
            f"adversarial={objective}",
            "adversarial.weight=0.1",
            "adversarial.feature_matching=0.5",
            "scale=2",
        ),
    ]
    assert command("train", *given, "hydra.run.dir=run") == Outcome(0, "")
    with (tmp_path / "run" / "metrics.csv").open() as file:
        rows = [
            {name: float(value) for name, value in row.items() if value}
            for row in csv.DictReader(file)
        ]
    assert len(rows) == 8
    assert all(math.isfinite(value) for row in rows for value in row.values())
    for name in ("loss/adversarial", "loss/feature_matching", "loss/discriminator", "loss/penalty"):
        assert len({row[name] for row in rows[1:] if name in row}) >= 2, f"{name} stands still"
    for row in rows[1:]:
        parts = (
            row["weighted/l1"] + 0.1 * row["loss/adversarial"] + 0.5 * row["loss/feature_matching"]
        )
        assert row["loss/generator"] == pytest.approx(parts, rel=1e-4)


def test_a_generator_without_weights_is_not_trained(command):
    outcome = command("train", "generator=interpolation", "hydra.run.dir=run")
    assert outcome.code == 1
    assert "nothing to train" in outcome.error
