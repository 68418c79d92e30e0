import numpy as np
import pytest
import rasterio
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from model_examples import card

from srlab.cli.command import prepare
from srlab.cli.configuration import composed
from srlab.cli.following import (
    check_masks,
    chosen_degradation,
    degradation_of,
    follow_files,
)
from srlab.degradations import Bicubic
from srlab.mistakes import Mistake

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

BICUBIC = {"_target_": "srlab.degradations.Bicubic", "scale": 2, "integers": [0, 99]}


def write(path, dtype, top):
    profile = {"driver": "GTiff", "count": 3, "height": 16, "width": 16, "dtype": dtype}
    with rasterio.open(path, "w", **profile) as file:
        file.write(np.full((3, 16, 16), top).astype(dtype))


def configured(command, *overrides):
    prepare()
    config = composed(command, overrides, with_hydra=True)
    HydraConfig.instance().set_config(config)
    return config


@pytest.mark.parametrize(
    ("dtype", "top", "unit", "integers"),
    [
        ("uint16", 900, "16-bit value", [0, 65535]),
        ("uint8", 9, "8-bit value", [0, 255]),
        ("float64", 0.7, "0–1", None),
    ],
)
def test_range_normaliser_and_rounding_follow_the_type(tmp_path, dtype, top, unit, integers):
    write(tmp_path / "a.tif", dtype, top)
    config = configured("train", "data=rgb_folder", f"data.root={tmp_path}")
    follow_files(config)
    full = integers[1] if integers else 1.0
    assert (config.data.data_range, config.data.unit) == (full, unit)
    assert instantiate(config.normaliser).maximum.tolist() == [full]
    assert instantiate(config.degradation, _convert_="all").integers == integers


def test_a_range_that_is_given_stays(tmp_path):
    write(tmp_path / "a.tif", "uint16", 900)
    given = [f"data.root={tmp_path}", "data.data_range=4095", "data.unit=12-bit value"]
    config = configured("train", "data=rgb_folder", *given)
    follow_files(config)
    assert (config.data.data_range, config.data.unit) == (4095, "12-bit value")
    assert instantiate(config.normaliser).maximum.tolist() == [4095]
    assert list(config.degradation.integers) == [0, 4095]


def test_classes_are_not_hidden_without_a_mask():
    cases = [
        ("sentinel2", "mask", "hidden_classes"),
        ("sensor_pair", "lr_mask", "lr_hidden_classes"),
    ]
    for data, mask, classes in cases:
        given = [f"data={data}", f"data.{classes}=[3]"]
        with pytest.raises(Mistake, match=rf"data\.{classes} hides nothing.* set data\.{mask},"):
            check_masks(configured("train", *given))
        check_masks(configured("train", *given, f"data.{mask}=SCL"))
        check_masks(configured("train", f"data={data}"))


def test_scores_are_of_the_models_degradation_unless_another_is_chosen(caplog):
    known = card(degradation=BICUBIC)
    needed = ["scale=2", "spatial_dims=2"]
    made = degradation_of(known, configured("evaluate", *needed))
    assert (type(made), list(made.integers)) == (Bicubic, [0, 99])
    assert not caplog.records
    for chosen in ("degradation=bicubic", "degradation.integers=[0,7]"):
        caplog.clear()
        other = degradation_of(known, configured("evaluate", *needed, chosen))
        assert other.integers != [0, 99]
        assert "the model was trained on {'_target_'" in caplog.text


def test_an_older_card_without_a_degradation_leaves_it_to_the_configuration(caplog):
    made = degradation_of(card(), configured("evaluate", "scale=2", "spatial_dims=2"))
    assert type(made) is Bicubic
    assert "the model was trained on an unknown one" in caplog.text


def test_a_degradation_from_elsewhere_is_not_run(monkeypatch):
    foreign = card(degradation={"_target_": "os.system", "command": "false"})
    config = configured("evaluate", "scale=2", "spatial_dims=2")
    monkeypatch.setattr("os.system", lambda command: pytest.fail("it was run"))
    message = r"names 'os\.system', which is not a class of srlab\.degradations, and was not run"
    with pytest.raises(ValueError, match=message) as error:
        degradation_of(foreign, config)
    assert "Or choose another by degradation=." in str(error.value)


def test_the_degradation_of_a_prediction_has_the_scale_of_the_model():
    model = card(scale=(3, 3))
    assert chosen_degradation(configured("predict"), model) is None
    config = configured("predict", "degradation=gaussian_mtf", "degradation.mtf=0.2")
    recipe = chosen_degradation(config, model)
    assert (recipe["scale"], recipe["spatial_dims"], recipe["mtf"]) == ([3, 3], 2, 0.2)
    with pytest.raises(Mistake, match="takes values from data=, which a prediction has not"):
        chosen_degradation(configured("predict", "degradation=sentinel2_mtf"), model)
