import re

import numpy as np
import pytest

pytest.importorskip("skimage")
import skimage.data

from srlab.data import DemoPhotographs
from srlab.degradations import Bicubic


def demo(**overrides):
    settings = {
        "bands": [1, 2, 3],
        "scale": 4,
        "crop_size": 32,
        "symmetries": ["flips", "quarter_turns"],
        "seed": 0,
        **overrides,
    }
    degradation = Bicubic(scale=settings["scale"], integers=[0, 255])
    return DemoPhotographs(degradation=degradation, **settings)


def names(dataset):
    return [str(region.reader) for region in dataset.regions]


def test_photographs_are_trained_validated_or_tested_on_but_never_twice():
    data = demo()
    training, validation, test = (
        set(names(dataset)) for dataset in (data.training, data.validation, data.test)
    )
    assert len(training) == len(data.training.regions) >= 5
    assert len(validation) == len(test) == 1
    assert training.isdisjoint(validation | test)
    assert validation.isdisjoint(test)


def test_values_are_those_of_8_bit_photographs():
    data = demo()
    samples = (
        [data.training[position] for position in range(20)]
        + list(data.validation)
        + list(data.test)
    )
    for sample in samples:
        for image in (sample["lr"], sample["hr"]):
            assert 0 <= image.min() <= image.max() <= 255
            assert (image == image.round()).all()
    assert max(float(sample["hr"].max()) for sample in samples) > 200
    assert "valid" not in samples[0]


def test_the_test_photograph_is_skimages_own_whole():
    (sample,) = demo(scale=1, crop_size=32).test
    photograph = getattr(skimage.data, names(demo().test)[0])()
    np.testing.assert_array_equal(sample["hr"].numpy(), np.moveaxis(photograph, -1, 0))


@pytest.mark.parametrize("bands", [[1, 2, 3], [3, 1], [2]])
def test_bands_are_chosen_by_number(bands):
    data, everything = demo(bands=bands), demo()
    assert data.channel_names == tuple("_RGB"[band] for band in bands)
    assert data.bands == tuple(bands)
    chosen = everything.training[3]["hr"].numpy()[[band - 1 for band in bands]]
    np.testing.assert_array_equal(data.training[3]["hr"].numpy(), chosen)


def test_bands_that_are_not_there_are_refused():
    for bands in [[0], [4], [1, 2, 3, 4]]:
        message = f"data.bands is {bands}; the demo photographs have bands 1, 2, 3 (R, G, B)."
        with pytest.raises(ValueError, match=re.escape(message)):
            demo(bands=bands)


def test_validation_views_share_no_pixel():
    windows = [region.window for region in demo().validation.regions]
    times = np.zeros((400, 600), dtype=int)
    for window in windows:
        times[window] += 1
    assert times.max() == 1
    assert len(windows) > 1


def test_a_missing_skimage_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "skimage.data", None)
    with pytest.raises(
        ImportError, match=re.escape("data=demo needs scikit-image: pip install 'srlab[demo]'.")
    ):
        demo()
