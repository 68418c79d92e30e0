"""Every YAML composes, and builds what it names with exactly the constructor's arguments."""

import inspect
from pathlib import Path

import nibabel
import numpy as np
import pytest
import rasterio
from affine import Affine
from clips import clip, moving
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from hydra.utils import get_class, instantiate
from omegaconf import DictConfig, OmegaConf
from skimage.data import astronaut
from skimage.io import imsave

from srlab.cli.command import prepare
from srlab.cli.configuration import config_dir

CONF = Path(config_dir())
COMMANDS = ("train", "predict", "evaluate", "stats", "verify")
OURS = sorted(
    path for path in CONF.rglob("*.yaml") if path.parent != CONF and "hydra" not in path.parts
)

# Groups of overrides, which name no class of their own.
RECIPES = ("experiment", "sweep")

GUIDED = [
    *("data.root={photographs}/scenes", "data.guide_ratio=1"),
    *("data.bands=[1,2]", "data.guides=[3]"),
]
WITHOUT_NAMES = ["degradation=area", "degradation@data.guide_degradation=area"]

VOLUME = ["data.root={photographs}/volume.nii", "spatial_dims=3", "scale=2"]

THIN = ["data.root={photographs}/volume.nii", "force=[pixel_size]"]

CLIPS = ["spatial_dims=3", "scale=[1,2,2]"]

# What a YAML leaves to the user, by name.
NEEDED = {
    "degradation/thick_slices": ["scale=[3,1]"],
    "degradation/thick_slices_box": ["scale=[3,1]"],
    "degradation/video": CLIPS,
    "degradation/video_exposure": CLIPS,
    "degradation/microscope": ["degradation.pixel_size=0.1"],
    "degradation/optical_sections": ["scale=[3,1]", "degradation.pixel_size=0.1"],
    "degradation/blur_kernel": ["degradation.kernel=[[1,1],[1,1]]"],
    "data/paired_folder": [
        "data.lr_root={photographs}/*.png",
        "data.root={photographs}/*.png",
        "scale=1",
    ],
    "data/rgb_folder": ["data.root={photographs}/*.png"],
    "data/arrays": ["data.root={photographs}/array.npy"],
    "data/medical_mri": [*VOLUME, "crop_size=32"],
    "data/microscopy": ["data.root={photographs}/scenes"],
    "data/video": ["data.root={photographs}/clip.mkv"],
    "data/self": ["data.root={photographs}/scenes/0.tif", "data.bands=[1,2]"],
    "data/self_sentinel2": ["data.root={photographs}/scenes/0.tif", "data.bands=[1,2]"],
    "data/self_thick_slices": [*THIN, "scale=[2,1]"],
    "data/self_axial": [*THIN, "scale=[2,1]", "degradation.pixel_size=0.1"],
    "data/sentinel2_20m_guided": [*GUIDED, *WITHOUT_NAMES],
    "data/landsat_pan": [*GUIDED, "data.guide_root={photographs}/scenes"],
    "degradation/sentinel2_mtf": ["data=sentinel2_10m", "data.root=x"],
    "degradation/sentinel2_mtf_guides": ["data=sentinel2_20m_guided", "data.root=x"],
    "data/dates": ["data.root={photographs}/scenes", "data.name='{{date}}'", "data.bands=[1,2]"],
    "data/sensor_pair": [
        "data.lr_root={photographs}/placed/0.tif",
        "data.root={photographs}/placed/0.tif",
        "scale=1",
    ],
    "data/sentinel2": ["data.root={photographs}/scenes", "data.bands=[1,2]"],
    "data/sentinel2_10m": ["data.root={photographs}/scenes", "data.bands=[1,2]"],
    "data/sentinel2_20m": ["data.root={photographs}/scenes", "data.bands=[1,2]"],
    "loss/perceptual_vgg": ["loss.perceptual_vgg.term.weights=random"],
    "loss/perceptual_vgg_slices": ["loss.perceptual_vgg_slices.term.term.weights=random"],
    "loss/srgan": ["loss.perceptual_vgg.term.weights=random"],
    "loss/esrgan": ["loss.perceptual_vgg.term.weights=random"],
    "loss/real_esrgan": ["loss.perceptual_vgg.term.weights=random"],
    "loss/opensr_rgbn": ["loss.perceptual_vgg.term.weights=random", "data.bands=[1,2,3]"],
    "loss/lpips": ["loss.lpips.term.weights=random"],
    "loss/perceptual": ["loss.perceptual.term.extractor={{_target_:torch.nn.Identity}}"],
    "normaliser/arcsinh": ["normaliser.softening=10.0"],
    "normaliser/log": ["normaliser.softening=10.0"],
    "normaliser/custom": [
        "normaliser.forward=torch.sqrt",
        "normaliser.inverse=torch.square",
    ],
    "split/saved": ["split.path={photographs}/split.json"],
    "split/list": ["split.files=[0.png]"],
    "metric/lpips": ["metric.lpips.weights=random"],
}

# Where a group stands in the configuration, if not under its own name.
PLACES = {name: f"{name}.generator" for name in ("optimiser", "scheduler", "clipping")}


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photographs")
    (folder / "scenes").mkdir()
    (folder / "split.json").write_text("{}")
    for number in range(3):
        photograph = astronaut()[number * 100 :][:128, :128]
        imsave(folder / f"{number}.png", photograph)
        imsave(folder / "scenes" / f"{number}.tif", photograph.astype("uint16") * 39)
    np.save(folder / "array.npy", astronaut()[:128, :128, 0])
    volume = np.tile(astronaut()[:64, :64, 0], (64, 1, 1))
    nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), folder / "volume.nii")
    clip(folder / "clip.mkv", "ffv1", frames=moving(4, 128, 128), format="bgr0")
    (folder / "placed").mkdir()
    place = {"crs": "EPSG:32632", "transform": Affine(10, 0, 7e5, 0, -10, 52e5)}
    with rasterio.open(
        folder / "placed" / "0.tif", "w", width=128, height=128, count=3, dtype="uint8", **place
    ) as file:
        file.write(np.moveaxis(astronaut()[:128, :128], -1, 0))
    return folder


def composed(overrides: list[str], command: str = "train") -> DictConfig:
    prepare()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose(
            command, overrides=[*overrides, "hydra.runtime.output_dir=."], return_hydra_config=True
        )
    HydraConfig.instance().set_config(config)
    return config


def command_of(group: str) -> str:
    return "predict" if group == "engine" else "train"


def name_of(path: Path) -> str:
    return str(path.relative_to(CONF).with_suffix(""))


def chosen(name: str, photographs: Path) -> list[str]:
    group, _, choice = name.partition("/")
    key = f"{group}@{PLACES[group]}" if group in PLACES else group
    listed = f"[{choice}]" if group in ("loss", "metric", "logger", "callbacks") else choice
    return [
        f"{key}={listed}",
        *(line.format(photographs=photographs) for line in NEEDED.get(name, [])),
    ]


def nodes(config: object, path: str = "") -> list[tuple[str, DictConfig]]:
    """All nodes with a target, by their path."""
    found = []
    if isinstance(config, DictConfig):
        if "_target_" in config:
            found.append((path, config))
        for key in config:
            if not OmegaConf.is_missing(config, key):
                found += nodes(config[key], f"{path}.{key}" if path else str(key))
    return found


def test_there_are_configurations_to_test():
    groups = {path.parent.name for path in OURS}
    assert {
        "generator",
        "discriminator",
        "loss",
        "data",
        "normaliser",
        "degradation",
        "experiment",
    } <= groups


def check_keys(place: str, node: DictConfig) -> None:
    """Each argument of ours stands in its YAML, and each key is an argument."""
    target = get_class(node._target_)
    parameters = inspect.signature(target.__init__).parameters.values()
    arguments = {
        p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
    } - {"self"}
    keys = {key for key in node if not key.startswith("_")}
    if not any(p.kind is p.VAR_KEYWORD for p in parameters):
        assert keys <= arguments, f"{place} has keys that {node._target_} does not take"
    if node._target_.startswith("srlab.") and "__init__" in vars(target):
        # What a partial node lacks is built elsewhere, and has no default.
        later = {p.name for p in parameters if p.default is p.empty}
        hidden = arguments - keys - (later if node.get("_partial_") else set())
        assert not hidden, f"{place} hides arguments of {node._target_}"


PARTS = [path for path in OURS if path.parent.name not in RECIPES]


@pytest.mark.parametrize("path", PARTS, ids=name_of)
def test_yaml_builds_what_it_names_with_exactly_its_arguments(
    path, photographs, tmp_path, monkeypatch
):
    if path.parent.name == "logger" and path.stem in ("wandb", "mlflow"):
        pytest.importorskip(path.stem)
    monkeypatch.chdir(tmp_path)
    group = path.parent.name
    config = composed(chosen(name_of(path), photographs), command_of(group))
    part = OmegaConf.select(config, PLACES.get(group, group))
    for place, node in nodes(part):
        check_keys(place, node)
    assert (instantiate(part, _convert_="all") is None) == (path.stem == "none")


def test_sweep_composes_and_builds(tmp_path, monkeypatch):
    """The experiments are trained by test_experiments."""
    monkeypatch.chdir(tmp_path)
    config = composed(["sweep=optuna"])
    for part in ("generator", "discriminator", "data"):
        instantiate(config[part], _convert_="all")


@pytest.mark.parametrize("generator", ["srresnet", "rrdb"])
@pytest.mark.parametrize("dims", [2, 3])
def test_scale_and_channels_are_written_once(generator, dims):
    scale = [2, 4] if dims == 2 else [1, 4, 4]
    config = composed(
        [f"generator={generator}", f"scale={scale}", f"spatial_dims={dims}", "data.bands=[1,2]"]
    )
    assert config.generator.in_channels == config.generator.out_channels == 2
    assert config.discriminator.in_channels == 2
    assert (
        list(config.generator.scale)
        == list(config.data.scale)
        == list(config.degradation.scale)
        == scale
    )


def test_data_chooses_its_normaliser_and_the_command_line_wins():
    given = ["data=sentinel2", "data.root=x"]
    assert composed(given).normaliser._target_ == "srlab.normalisers.Reflectance"
    assert (
        composed([*given, "normaliser=identity"]).normaliser._target_
        == "srlab.normalisers.Identity"
    )
    assert composed([]).normaliser._target_ == "srlab.normalisers.MinMax"


def test_experiment_sets_keys_that_the_command_line_can_set_again():
    assert composed(["experiment=demo"]).schedule.pretrain_steps == 500
    assert composed(["experiment=demo", "schedule.pretrain_steps=5"]).schedule.pretrain_steps == 5


def test_one_window_serves_the_whole_picture_and_its_foreground():
    given = ["metric=[ssim,ssim_foreground]", "metric.ssim.window=[1,11,11]"]
    assert composed(given).metric.ssim_foreground.metric.window == [1, 11, 11]
    assert composed(["metric=[ssim_foreground]"]).metric.ssim_foreground.metric.window == 11


def test_losses_compose_as_a_list():
    config = composed(["loss=[l1,l2]", "loss.l2.weight=0.5"])
    assert {name: entry.weight for name, entry in config.loss.items()} == {"l1": 1.0, "l2": 0.5}


def test_third_party_configurations_are_found(tmp_path, monkeypatch):
    package = tmp_path / "theirs"
    (package / "conf" / "loss").mkdir(parents=True)
    (package / "__init__.py").write_text(
        "from torch import nn\nclass Thing(nn.Module):\n    pass\n"
    )
    (package / "conf" / "loss" / "thing.yaml").write_text(
        "thing:\n  weight: 2.0\n  term:\n    _target_: theirs.Thing\n"
    )
    information = tmp_path / "theirs-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[srlab.conf]\ntheirs = theirs.conf\n")
    monkeypatch.syspath_prepend(tmp_path)
    built = instantiate(composed(["loss=[l1,thing]"]).loss, _convert_="all")
    assert type(built["thing"]["term"]).__name__ == "Thing"
    assert set(built) == {"l1", "thing"}
