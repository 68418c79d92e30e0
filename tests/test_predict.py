import json
import zipfile

import numpy as np
import pytest
import rasterio
import torch
from affine import Affine
from conftest import TINY, Outcome
from PIL import Image
from skimage.data import chelsea

import srlab
from srlab.files import content_hash
from srlab.generators import Stochastic
from srlab.io import Axis
from srlab.models.card import ModelCard
from srlab.models.super_resolver import SuperResolver
from srlab.normalisers import MinMax

TRANSFORM = Affine(10, 0, 399_960, 0, -10, 5_300_040)


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """A georeferenced uint8 scene of three named bands, with nodata at its corner."""
    path = tmp_path_factory.mktemp("scene") / "scene.tif"
    pixels = np.moveaxis(chelsea()[:90, :70], -1, 0).clip(1, 255)
    pixels[:, :5, :7] = 0
    profile = {"driver": "GTiff", "count": 3, "height": 90, "width": 70, "dtype": "uint8"}
    with rasterio.open(
        path, "w", **profile, crs="EPSG:32633", transform=TRANSFORM, nodata=0
    ) as file:
        file.write(pixels)
        file.descriptions = ("red", "green", "blue")
    return path


@pytest.fixture
def model(trained):
    return trained / "model.safetensors"


@pytest.fixture(scope="module")
def stochastic(tmp_path_factory):
    """A stochastic model with random weights throughout, so that the noise shows."""
    recipe = {
        "in_channels": 3, "out_channels": 3, "scale": 4, "channels": 4, "blocks": 1,
        "noise_channels": 3,
        "skip": "cubic",
    }  # fmt: skip
    torch.manual_seed(0)
    network = Stochastic(**recipe)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    statistics = {"minimum": 0.0, "maximum": 255.0}
    card = ModelCard(
        generator={"_target_": "srlab.generators.Stochastic", **recipe},
        normaliser={"_target_": "srlab.normalisers.MinMax", **statistics},
        scale=(4, 4),
        bands=(1, 2, 3),
        input_names=("red", "green", "blue"),
        output_names=("red", "green", "blue"),
        unit="8-bit value",
        training_range=((0.0, 255.0),) * 3,
        axes=(Axis("y"), Axis("x")),
        versions={},
    )
    path = tmp_path_factory.mktemp("stochastic") / "model.safetensors"
    SuperResolver(generator=network, normaliser=MinMax(**statistics), card=card).save(path)
    return path


def test_output_is_matched_to_its_input_on_wish(command, tmp_path, stochastic, scene):
    made = [f"model={stochastic}", f"input={scene}", "output=x4.tif", "match_histogram=true"]
    assert command("predict", *made) == Outcome(0, "")
    with rasterio.open(tmp_path / "x4.tif") as output, rasterio.open(scene) as source:
        sr, lr = output.read(masked=True), source.read(masked=True)
        assert '"match_histogram": true' in output.tags()["SETTINGS"]
    levels = [1, 25, 50, 75, 99]
    for own, wanted in zip(sr, lr, strict=True):
        got = np.percentile(own.compressed(), levels)
        np.testing.assert_allclose(got, np.percentile(wanted.compressed(), levels), atol=2)
    assert [path.name for path in tmp_path.iterdir()] == ["x4.tif"]


def test_geotiff_keeps_its_place_and_type(command, tmp_path, model, scene):
    assert command("predict", f"model={model}", f"input={scene}", "output=x4.tif") == Outcome(0, "")
    with rasterio.open(scene) as before, rasterio.open(tmp_path / "x4.tif") as after:
        assert (after.height, after.width, after.count) == (360, 280, 3)
        assert after.crs == before.crs
        assert after.bounds == pytest.approx(before.bounds, abs=1e-5)  # 1e-6 of a pixel
        assert after.res == (2.5, 2.5)
        assert after.dtypes == before.dtypes
        assert after.nodata == 0
        assert after.descriptions == ("red", "green", "blue")
        hidden = (before.read() == 0).repeat(4, axis=1).repeat(4, axis=2)
        np.testing.assert_array_equal(after.read() == 0, hidden)
        tags = " ".join(after.tags().values())
        assert "super-resolved" in tags
        assert f"srlab {srlab.__version__}" in tags
        assert content_hash(model) in tags


def test_png_equals_the_python_callable(command, tmp_path, model):
    pixels = chelsea()[100:160, 100:180]
    Image.fromarray(pixels).save(tmp_path / "small.png")
    assert command("predict", f"model={model}", "input=small.png", "output=x4.png") == Outcome(
        0, ""
    )
    lr = torch.from_numpy(np.moveaxis(pixels, -1, 0).astype(np.float32))[None]
    expected = srlab.load(model)(lr)[0].round().clamp(0, 255).to(torch.uint8)
    np.testing.assert_array_equal(
        np.asarray(Image.open(tmp_path / "x4.png")), expected.movedim(0, -1).numpy()
    )


def test_the_edges_that_are_asked_for_are_used_and_noted(command, tmp_path, stochastic):
    edges = "reflect"
    pixels = chelsea()[100:124, 100:130]
    Image.fromarray(pixels).save(tmp_path / "small.png")
    given = (f"model={stochastic}", "input=small.png", "output=x4.tif", f"edges={edges}")
    assert command("predict", *given) == Outcome(0, "")
    lr = torch.from_numpy(np.moveaxis(pixels, -1, 0).astype(np.float32))[None]
    model = srlab.load(stochastic)
    expected, usual = model(lr, edges=edges)[0], model(lr)[0]
    with rasterio.open(tmp_path / "x4.tif") as file:
        assert json.loads(file.tags()["SETTINGS"])["edges"] == edges
        values = expected.clamp(0, 255).numpy()
        np.testing.assert_allclose(file.read().astype(float), values, atol=0.6, rtol=0)
    assert (expected - usual).abs().max() > 5


def test_a_transparent_frame_comes_back(command, tmp_path, model):
    pixels = np.dstack([chelsea()[100:140, 100:150], np.zeros((40, 50), np.uint8)])
    pixels[12:34, 9:45, 3] = 255
    Image.fromarray(pixels).save(tmp_path / "frame.webp", lossless=True, exact=True)
    for output in ("x4.png", "x4.tif"):
        given = (f"model={model}", "input=frame.webp", f"output={output}", "tile=30")
        assert command("predict", *given) == Outcome(0, "")
        with rasterio.open(tmp_path / output) as file:
            alpha = file.read(4)
            hidden = file.dataset_mask() == 0
        np.testing.assert_array_equal(alpha, pixels[..., 3].repeat(4, axis=0).repeat(4, axis=1))
        np.testing.assert_array_equal(hidden, alpha == 0)
    outcome = command("predict", f"model={model}", "input=frame.webp", "output=x4.jpg")
    assert "there are 4 bands (R, G, B, A), and JPEG holds 1, 3" in outcome.error


def test_a_noise_seed_draws_one_sample(command, tmp_path, stochastic, scene):
    common = (f"model={stochastic}", f"input={scene}", "tile=40")
    runs = {
        "none": [],
        "zero": ["noise_seed=0"],
        "seven": ["noise_seed=7"],
        "again": ["noise_seed=7"],
    }
    for name, given in runs.items():
        assert command("predict", *common, f"output={name}.tif", *given) == Outcome(0, "")
    assert (tmp_path / "seven.tif").read_bytes() == (tmp_path / "again.tif").read_bytes()
    pixels, descriptions = {}, {}
    for name in runs:
        with rasterio.open(tmp_path / f"{name}.tif") as file:
            pixels[name], descriptions[name] = file.read().astype(int), file.tags()["DESCRIPTION"]
    for one, other in (("none", "zero"), ("none", "seven"), ("zero", "seven")):
        assert np.abs(pixels[one] - pixels[other]).max() > 5
    assert descriptions == {
        "none": "super-resolved",
        "zero": "super-resolved, noise seed 0",
        "seven": "super-resolved, noise seed 7",
        "again": "super-resolved, noise seed 7",
    }


def test_a_sample_shows_no_seams(command, tmp_path, stochastic, scene):
    common = (f"model={stochastic}", f"input={scene}", "noise_seed=7")
    assert command("predict", *common, "output=tiled.tif", "tile=40", "batch=3") == Outcome(0, "")
    assert command("predict", *common, "output=whole.tif", "tile=100") == Outcome(0, "")
    with (
        rasterio.open(tmp_path / "tiled.tif") as tiled,
        rasterio.open(tmp_path / "whole.tif") as whole,
    ):
        # Equal but for rounding: a value within 1e-4 of a half may round either way.
        assert np.abs(tiled.read().astype(int) - whole.read()).max() <= 1
        assert (tiled.read() != whole.read()).mean() < 1e-3


def test_a_sample_equals_that_of_the_python_callable(command, tmp_path, stochastic):
    pixels = chelsea()[100:160, 100:180]
    Image.fromarray(pixels).save(tmp_path / "small.png")
    given = (f"model={stochastic}", "input=small.png", "output=x4.png", "noise_seed=7")
    assert command("predict", *given) == Outcome(0, "")
    lr = torch.from_numpy(np.moveaxis(pixels, -1, 0).astype(np.float32))[None]
    model = srlab.load(stochastic)
    expected = model(lr, model.draw_noise(7))[0].round().clamp(0, 255).to(torch.uint8)
    found = np.asarray(Image.open(tmp_path / "x4.png")).astype(int)
    difference = np.abs(found - expected.movedim(0, -1).numpy())
    # The command lays channels last, which rounds otherwise between two integers.
    assert difference.max() <= 1
    assert (difference > 0).mean() < 1e-3


def test_checkpoint_predicts_like_the_bundle(command, tmp_path, trained, scene):
    for name in ("model.safetensors", "checkpoints/last.ckpt"):
        given = (
            f"model={trained / name}",
            f"input={scene}",
            f"output={trained.name}{len(name)}.tif",
        )
        assert command("predict", *given) == Outcome(0, "")
    one, other = (rasterio.open(path).read() for path in sorted(tmp_path.glob("*.tif")))
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", ["scene (1) [a], x=1 é~.tif", "it's.tif"])
def test_awkward_names_work_and_nothing_stray_is_left(command, tmp_path, model, scene, name):
    (tmp_path / name).write_bytes(scene.read_bytes())
    assert command("predict", f"model={model}", f"input={name}", f"output=out {name}") == Outcome(
        0, ""
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, f"out {name}"])


def test_input_in_an_archive_gives_the_same_and_is_never_the_output(
    command, tmp_path, model, scene
):
    with zipfile.ZipFile(tmp_path / "scenes.zip", "w") as archive:
        archive.write(scene, "in/scene.tif")
    given = [f"model={model}", "tile=32", "overwrite=true"]
    for name in (scene, "/vsizip/scenes.zip/in/scene.tif"):
        for _ in range(2):  # the second time the output exists
            outcome = command("predict", *given, f"input={name}", f"output={len(str(name))}.tif")
            assert outcome == Outcome(0, "")
    first, second = (rasterio.open(path) for path in sorted(tmp_path.glob("*.tif")))
    np.testing.assert_array_equal(first.read(), second.read())
    assert first.profile == second.profile


def test_grey_picture_is_taken_for_an_rgb_model_and_that_is_recorded(command, tmp_path, model):
    grey = np.random.default_rng(0).integers(0, 255, (24, 20), np.uint8)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    Image.fromarray(grey).convert("RGB").save(tmp_path / "same.png")
    for name in ("grey", "same"):
        given = [f"model={model}", f"input={name}.png", f"output={name}.tif"]
        assert command("predict", *given) == Outcome(0, "")
    with rasterio.open(tmp_path / "grey.tif") as ours, rasterio.open(tmp_path / "same.tif") as same:
        assert ours.tags()["SRLAB_GREY"] == "repeated as R, G, B"
        assert "SRLAB_GREY" not in same.tags()
        np.testing.assert_array_equal(ours.read(), same.read())


def everything_in(folder):
    """All files with their bytes, and all folders."""
    return {path: path.is_file() and path.read_bytes() for path in folder.rglob("*")}


class TestMistakes:
    @pytest.fixture
    def refused(self, command, tmp_path):
        def run(*given):
            before = everything_in(tmp_path)
            outcome = command("predict", *given)
            assert outcome.code == 1
            assert outcome.error.startswith("error: ")
            assert "\n" not in outcome.error
            assert everything_in(tmp_path) == before
            return outcome.error

        return run

    def test_output_exists(self, refused, command, tmp_path, model, scene):
        (tmp_path / "precious.tif").write_text("precious")
        given = (f"model={model}", f"input={scene}", "output=precious.tif")
        assert "overwrite=true" in refused(*given)
        assert command("predict", *given, "overwrite=true") == Outcome(0, "")

    def test_scale_is_not_the_models(self, refused, model, scene):
        error = refused(f"model={model}", f"input={scene}", "output=a.tif", "scale=2")
        assert "scale=2" in error
        assert "(4, 4)" in error

    def test_model_takes_no_noise(self, refused, model, scene):
        for asked in ("noise_seed=7", "samples=4"):
            error = refused(f"model={model}", f"input={scene}", "output=a.tif", asked)
            assert "SRResNet takes no noise, so it makes no samples; leave noise_seed and" in error

    def test_noise_seed_is_no_seed(self, refused, stochastic, scene):
        error = refused(f"model={stochastic}", f"input={scene}", "output=a.tif", "noise_seed=-1")
        assert "noise_seed is" in error
        assert "give a whole number" in error

    def test_truncated_tiff(self, refused, tmp_path, model, scene):
        (tmp_path / "half.tif").write_bytes(scene.read_bytes()[: scene.stat().st_size // 2])
        assert "half.tif" in refused(f"model={model}", "input=half.tif", "output=a.tif")

    def test_model_is_no_bundle(self, refused, tmp_path, scene):
        (tmp_path / "model.safetensors").write_text("not a bundle")
        assert "is not a safetensors file" in refused(
            "model=model.safetensors", f"input={scene}", "output=a.tif"
        )

    def test_input_is_missing(self, refused, model):
        wanted = "error: nowhere/ does not exist: check the spelling and the folder."
        assert refused(f"model={model}", "input=nowhere/", "output=ENLARGED") == wanted

    def test_model_is_missing(self, refused, scene):
        assert "no model at" in refused(
            "model=nowhere.safetensors", f"input={scene}", "output=a.tif"
        )

    def test_band_does_not_exist(self, refused, model, scene):
        assert "9" in refused(f"model={model}", f"input={scene}", "output=a.tif", "bands=[1,2,9]")

    def test_number_of_bands_is_not_the_models(self, refused, model, scene):
        assert "3" in refused(f"model={model}", f"input={scene}", "output=a.tif", "bands=[1,2]")

    def test_output_folder_is_missing(self, refused, model, scene):
        assert "nowhere" in refused(f"model={model}", f"input={scene}", "output=nowhere/a.tif")

    def test_output_format_is_unknown(self, refused, model, scene):
        assert ".tif" in refused(f"model={model}", f"input={scene}", "output=a.xyz")

    def test_keys_are_missing(self, refused, model):
        assert "input, output must be given" in refused(f"model={model}")

    def test_device_is_not_here(self, refused, model, scene):
        assert "device=cuda:77" in refused(
            f"model={model}", f"input={scene}", "output=a.tif", "device=cuda:77"
        )

    def test_values_of_another_unit(self, refused, command, tmp_path, model):
        profile = {"driver": "GTiff", "count": 3, "height": 32, "width": 32, "dtype": "uint16"}
        with rasterio.open(tmp_path / "counts.tif", "w", **profile) as file:
            file.write(np.full((3, 32, 32), 60_000, dtype=np.uint16))
        given = (f"model={model}", "input=counts.tif", "output=a.tif")
        assert "force=[value_range]" in refused(*given)
        assert "force=[value_range]" in refused(*given, "force=[pixel_size,dtype]")
        assert command("predict", *given, "force=[value_range]") == Outcome(0, "")

    def test_force_names_no_check(self, refused):
        names = "band_names, dtype, pixel_size, value_range, such as [band_names]."
        for force in ("true", "value_range", "[values]"):
            assert f"give a list of {names}" in refused("model=m", f"force={force}")


@pytest.mark.slow
def test_real_sentinel2_scene_becomes_four_times_finer(command, tmp_path, shared_data):
    path = shared_data("satellite/s2_ftw_8band_10m_uint16_utm33.tif")
    small = [line.replace("channels=8", "channels=16") for line in TINY if "crop_size" not in line]
    steps = ["trainer.max_steps=50", "schedule.pretrain_steps=20", "schedule.ramp_steps=10"]
    given = [
        "generator=rrdb",
        "data=sentinel2",
        f"data.root={path}",
        "data.bands=[1,2,3,4]",
        *small,
        *steps,
    ]
    assert command("train", *given, "hydra.run.dir=run") == Outcome(0, "")
    assert command(
        "predict", "model=run/model.safetensors", f"input={path}", "output=x4.tif"
    ) == Outcome(0, "")
    with rasterio.open(path) as before, rasterio.open(tmp_path / "x4.tif") as after:
        assert (after.count, after.height, after.width) == (4, 4 * before.height, 4 * before.width)
        assert after.crs == before.crs
        assert after.bounds == pytest.approx(before.bounds, abs=1e-5)  # 1e-6 of a pixel
        assert after.res == (2.5, 2.5)
        assert set(after.dtypes) == {"uint16"}
