"""Every recipe runs, made small."""

import csv
import math
from itertools import cycle
from pathlib import Path

import nibabel
import numpy as np
import pytest
import rasterio
from clips import clip, moving
from conftest import Outcome
from omegaconf import OmegaConf
from PIL import Image
from tifffile import imwrite

from srlab.cli.checking import check_values
from srlab.cli.command import prepare
from srlab.cli.configuration import choices, composed, config_dir

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
VOLUMES = ["data.root=volumes", "data.validation_size=16", "crop_size=16", "generator.channels=8"]
PHOTOGRAPHS, SCENES = ["data.root=photographs"], ["data.root=scenes", "data.validation_size=128"]

SMALL = {
    "demo": ["generator.channels=8", *SMALL_SRGAN],
    "srgan": [*PHOTOGRAPHS, "generator.channels=8", "generator.blocks=1", *SMALL_SRGAN, *VGG],
    "esrgan": [
        *(*PHOTOGRAPHS, "crop_size=64", "generator.channels=8", "generator.blocks=1"),
        *(*SMALL_ESRGAN, *VGG),
    ],
    "real_esrgan": [
        *(*PHOTOGRAPHS, "crop_size=64"),
        "generator.channels=8",
        "generator.blocks=1",
        "discriminator.channels=4",
        *VGG,
    ],
    "video_x4": [
        *("data.root=clip.mkv", "crop_size=64", "cache=none"),
        *("generator.channels=8", "generator.blocks=1", "discriminator.channels=4"),
        *VGG,
    ],
    "demo_video": [
        *("data.root=clip.mkv", "crop_size=64", "cache=none"),
        *("generator.channels=8", "generator.blocks=1"),
    ],
    "demo_satellite": ["data.root=scenes/0.tif", "generator.channels=8", "generator.blocks=1"],
    "demo_microscopy": ["data.root=scenes/0.tif", "generator.channels=8", "generator.blocks=1"],
    "sentinel2_20m_to_10m": [*SCENES, "data.guide_root=finer", "generator.channels=8"],
    "landsat_pansharpening": [*SCENES, "data.guide_root=finer", "generator.channels=8"],
    "sentinel2_x4": [
        *SCENES,
        "generator.channels=16",
        "generator.blocks=1",
        "discriminator.channels=4",
    ],
    "self": ["data.root=scenes/0.tif", "generator.channels=8", "generator.blocks=1"],
    "microscopy_x2": [
        "data.root=scenes/0.tif",
        "degradation.pixel_size=0.1",
        "generator.channels=16",
        "generator.blocks=1",
        "generator.groups=1",
    ],
    "demo_mri": [*VOLUMES, "crop_size=12", "generator.blocks=1"],
    "mri_x2_3d": [
        *VOLUMES,
        "generator.blocks=1",
        "discriminator.channels=4",
        "discriminator.layers=1",
    ],
    "mri_thick_slices": [*VOLUMES, "crop_size=15", "generator.blocks=1"],
    "mri_slices_x2": [
        *VOLUMES,
        "generator.blocks=1",
        "generator.groups=1",
        "generator.reduction=2",
    ],
    "self_thick_slices": [
        *VOLUMES,
        "force=[pixel_size]",
        "crop_size=12",
        "generator.channels=8",
        "generator.blocks=1",
    ],
    "microscopy_axial": [
        *("data.root=stack.ome.tif", "data.bands=[a,b]", "degradation.pixel_size=0.5"),
        *("data.validation_size=32", "crop_size=12", "generator.channels=8", "generator.blocks=1"),
    ],
    "opensr_rgbn_x4": [*SCENES, "generator.channels=16", "generator.blocks=1", *SMALL_SRGAN, *VGG],
    "opensr_swir_x8": [
        *SCENES,
        "generator.channels=8",
        "generator.blocks=1",
        "discriminator.channels=4",
    ],
}
WITHOUT_ADVERSARY = (
    "demo_microscopy",
    "demo_mri",
    "demo_satellite",
    "demo_video",
    "landsat_pansharpening",
    "microscopy_axial",
    "microscopy_x2",
    "mri_slices_x2",
    "mri_thick_slices",
    "self",
    "self_thick_slices",
    "sentinel2_20m_to_10m",
)
BANDS = ["B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12"]
GUIDES = ["B02", "B03", "B04", "B08"]

RECIPES = sorted(path.stem for path in (Path(config_dir()) / "experiment").glob("*.yaml"))


def test_recipe_chooses_parts_and_sets_no_key_of_one_that_can_be_swapped():
    for name in RECIPES:
        recipe = OmegaConf.load(Path(config_dir()) / "experiment" / f"{name}.yaml")
        groups = {path.name for path in Path(config_dir()).iterdir() if path.is_dir()}
        length = {"trainer"}  # every trainer has the length of a run
        assert not set(recipe) & (groups - length)


SWAPS = [
    "loss=[ssim]",
    "adversarial=wgan",
    "data=demo",
    "callbacks=[default,early_stopping]",
    "trainer=ddp",
    *("optimiser@optimiser.generator=sgd", "optimiser@optimiser.discriminator=sgd"),
    *("scheduler@scheduler.generator=cosine", "scheduler@scheduler.discriminator=plateau"),
]


def test_recipes_go_with_other_parts_and_every_network_and_normaliser():
    prepare()
    groups = [choices(each) for each in ("generator", "discriminator", "normaliser")]
    for recipe, *parts in zip(RECIPES, *map(cycle, groups), strict=False):
        generator, discriminator, normaliser = parts
        line = [f"experiment={recipe}", f"generator={generator}"]
        line += [f"discriminator={discriminator}", f"normaliser={normaliser}"]
        config = composed("train", [*line, *SWAPS])
        check_values(config, settings="srlab.cli.settings.TrainSettings")


def test_size_of_crops_stays_when_the_data_are_swapped():
    prepare()
    assert composed("train", ["experiment=demo", "data=sentinel2"]).data.crop_size == 48


def save_scene(path, noise, *, side, metres, bands=BANDS):
    path.parent.mkdir(exist_ok=True)
    place = rasterio.transform.from_origin(5e5, 5e6, metres, metres)
    with rasterio.open(
        path, "w", width=side, height=side, count=len(bands), dtype="uint16",
        crs="EPSG:32633", transform=place,
    ) as scene:  # fmt: skip
        scene.write(noise.integers(1, 4000, (len(bands), side, side), dtype=np.uint16))
        scene.descriptions = bands


def save_stack(path, values):
    """Save a time series of two channels whose planes are 2 µm apart, and their pixels 0.5."""
    sizes = {"PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5, "PhysicalSizeZ": 2.0}
    about = {"axes": "TZCYX", "Channel": {"Name": ["a", "b"]}, **sizes}
    imwrite(path, values.astype(np.uint16), metadata=about)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Photographs, scenes with Sentinel-2's bands on two grids, volumes, a video, a stack."""
    folder = tmp_path_factory.mktemp("made")
    noise = np.random.default_rng(0)
    save_stack(folder / "stack.ome.tif", noise.integers(90, 4000, (2, 4, 2, 64, 64)))
    clip(folder / "clip.mkv", "ffv1", frames=moving(12, 96, 96), format="bgr0")
    (folder / "photographs").mkdir()
    (folder / "volumes").mkdir()
    for number in range(2):
        volume = noise.normal(800, 200, (24, 24, 24)).astype(np.int16)
        nibabel.save(
            nibabel.Nifti1Image(volume, np.eye(4)), folder / "volumes" / f"sub-{number}.nii.gz"
        )
        Image.fromarray(noise.integers(0, 255, (256, 256, 3), dtype=np.uint8)).save(
            folder / "photographs" / f"{number}.png"
        )
        save_scene(folder / "scenes" / f"{number}.tif", noise, side=384, metres=20)
        save_scene(folder / "finer" / f"{number}.tif", noise, side=768, metres=10, bands=GUIDES)
    return folder


@pytest.fixture
def files(tmp_path, made):
    """The files of all recipes, in the folder of the test."""
    for path in made.iterdir():
        (tmp_path / path.name).symlink_to(path)


@pytest.mark.parametrize("name", RECIPES)
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
    if name == "esrgan":  # its content loss changes with the phase
        assert "loss/l1" in rows[1]
        assert not {"loss/l1_beside", "loss/perceptual_vgg"} & rows[1].keys()
        assert {"loss/l1_beside", "loss/perceptual_vgg"} <= rows[2].keys()
        assert "loss/l1" not in rows[2]
    if name in WITHOUT_ADVERSARY:
        assert rows[3]["loss/content"] > 0
    else:
        assert rows[3]["loss/adversarial"] > 0
    assert (tmp_path / "run" / "model.safetensors").is_file()
