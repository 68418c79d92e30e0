"""Training and prediction with finer bands that help, as a user runs them."""

import numpy as np
import pytest
import rasterio
from affine import Affine
from conftest import Outcome, run_command
from rio_cogeo.cogeo import cog_validate

SMALL = [
    *("generator=residual_small", "generator.channels=4", "generator.blocks=1"),
    *("trainer.max_steps=2", "trainer.val_check_interval=2", "data.crop_size=16"),
    *("loader.batch_size=2", "loader.num_workers=0", "metric=[psnr,reflectance_consistency]"),
]


def write(path, values, place, **stored):
    shape = {"count": len(values), "height": values.shape[1], "width": values.shape[2]}
    with rasterio.open(
        path, "w", driver="GTiff", dtype="uint16", crs="EPSG:32616", transform=place, **shape
    ) as file:
        file.write(values)
        file.descriptions = stored.get("names", [None] * len(values))
    return path


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Two bands, and a finer one whose pixels lie half a pixel beside, as of Landsat."""
    folder = tmp_path_factory.mktemp("pair")
    random = np.random.default_rng(0)
    place = Affine(30, 0, 452_475, 0, -30, 3_408_645)
    bands = random.integers(6000, 20_000, (2, 64, 40), dtype=np.uint16)
    pan = random.integers(6000, 20_000, (1, 128, 80), dtype=np.uint16)
    write(folder / "pan.tif", pan, place @ Affine.translation(-0.25, -0.25) @ Affine.scale(0.5))
    return write(folder / "ms.tif", bands, place, names=["B4", "B5"]), folder / "pan.tif"


@pytest.fixture(scope="module")
def sharpener(pair, tmp_path_factory):
    """A model that knows two bands and a guide, after two steps."""
    image, guide = pair
    folder = tmp_path_factory.mktemp("sharpener")
    given = [f"data.root={image}", f"data.guide_root={guide}", "data.bands=[B4,B5]"]
    choices = ["experiment=landsat_pansharpening", "normaliser=zscore", "loss=[l1,consistency]"]
    outcome = run_command("train", [*choices, *given, *SMALL, f"hydra.run.dir={folder}"])
    assert outcome == Outcome(0, "")
    return folder / "model.safetensors"


def test_output_has_the_bands_of_the_image_on_a_finer_grid(command, tmp_path, pair, sharpener):
    image, guide = pair
    given = [f"model={sharpener}", f"input={image}", f"guide={guide}", "output=fine.tif"]
    assert command("predict", *given) == Outcome(0, "")
    with rasterio.open(tmp_path / "fine.tif") as fine, rasterio.open(image) as coarse:
        assert fine.descriptions == ("B4", "B5")
        assert fine.bounds == coarse.bounds
        assert fine.shape == (128, 80)
        assert fine.dtypes == ("uint16", "uint16")
        enlarged = coarse.read().repeat(2, axis=1).repeat(2, axis=2)
        shown = fine.read_masks(1) > 0
        assert shown.mean() > 0.9
        correlation = np.corrcoef(fine.read(1)[shown], enlarged[0][shown])[0, 1]
        assert correlation > 0.8  # the model adds to the enlarged bands


def test_model_is_scored_on_its_own_bands(command, tmp_path, pair, sharpener):
    image, guide = pair
    data = ["data=landsat_pan", f"data.root={image}", f"data.guide_root={guide}"]
    given = [f"model={sharpener}", *data, "data.bands=[B4,B5]", "output=report"]
    assert command(
        "evaluate", *given, "metric=[rmse,reflectance_consistency]", "metric.rmse.per_band=true"
    ) == Outcome(0, "")
    header = (tmp_path / "report" / "scores.csv").read_text().partition("\n")[0]
    assert "rmse_B5_model" in header
    without = ["data=sentinel2", f"data.root={image}", "data.bands=[B4,B5]"]
    outcome = command("evaluate", f"model={sharpener}", *without)
    assert "it was trained on data.bands=['B4', 'B5'] and data.guides=[1]." in outcome.error


def test_guides_that_do_not_fit_are_refused_in_a_line(command, tmp_path, pair, sharpener, trained):
    image, guide = pair
    given = [f"input={image}", "output=fine.tif"]
    predict = ["predict", f"model={sharpener}"]
    unguided = command(*predict, *given)
    assert "ms.tif are 30 m and 15 m are wanted: name the file and bands" in unguided.error
    missing = command(*predict, *given, "guide=nowhere.tif")
    assert "nowhere.tif does not exist" in missing.error
    needless = command("predict", f"model={trained}/model.safetensors", *given, f"guide={guide}")
    assert "this model takes no guide: leave guide= and guides= out." in needless.error
    onto = [f"input={image}", f"guide={guide}", f"output={guide}", "overwrite=true"]
    assert "pan.tif is the input itself" in command(*predict, *onto).error
    assert not list(tmp_path.iterdir())


def test_product_s_20_m_bands_become_a_cog_of_10_m(command, tmp_path, shared_data):
    (product,) = shared_data("satellite/safe_layout_noise").glob("*.SAFE")
    given = [f"data.root={product}", "split.fraction=0.4", "hydra.run.dir=run"]
    recipe = "experiment=sentinel2_20m_to_10m"
    assert command("train", recipe, *given, *SMALL) == Outcome(0, "")
    written = [f"input={product}", "output=fine.tif", "layout=cog"]
    assert command("predict", "model=run/model.safetensors", *written) == Outcome(0, "")
    assert cog_validate(tmp_path / "fine.tif")[0]
    (finer,) = product.rglob("*_B02_10m.jp2")
    with rasterio.open(tmp_path / "fine.tif") as fine, rasterio.open(finer) as own:
        assert fine.descriptions == ("B05", "B06", "B07", "B8A", "B11", "B12")
        assert (fine.transform, fine.shape, fine.crs) == (own.transform, own.shape, own.crs)
