"""Random changes of values: what is drawn, what stays, and that all follows from the position."""

import re

import numpy as np
import pytest
import torch

from srlab.data.pairing.pairs import Pairing
from srlab.data.places.cropping import Cropping
from srlab.data.places.crops import RandomCrops
from srlab.data.places.fixed_views import FixedViews
from srlab.data.places.regions import Region
from srlab.degradations import Area
from srlab.io.array.memory import ArrayReader


def source(channels=3, **settings):
    image = 1 + np.random.default_rng(0).random((channels, 20, 20), dtype=np.float32)
    image[0, 3:6, 4:9] = np.nan
    region = Region.whole(ArrayReader(image))
    pairing = Pairing(Area(scale=2), (2, 2), 0)
    return RandomCrops([region], pairing, Cropping(crop_size=12, **settings))


def test_channels_are_emptied_independently_as_often_as_asked_for_and_never_all():
    chance, draws = 0.6, 1500
    plain, dropped = source(), source(channel_dropout=chance)
    empty = np.zeros((draws, 3), bool)
    for position in range(draws):
        before, after = plain[position], dropped[position]
        assert torch.equal(before["hr"], after["hr"])
        empty[position] = (after["lr"] == 0).all(dim=(1, 2)).numpy()
        kept = ~torch.from_numpy(empty[position])
        assert torch.equal(before["lr"][kept], after["lr"][kept])
    assert not empty.all(axis=1).any()
    # A channel stays, too, where all would be emptied and it is the one of three that is spared.
    expected = chance - chance**3 / 3
    allowed = 4 * (expected * (1 - expected) / draws) ** 0.5
    assert np.abs(empty.mean(axis=0) - expected).max() < allowed
    pair = chance**2 * (1 - chance) + chance**3 / 3
    assert (empty[:, 0] & empty[:, 1]).mean() == pytest.approx(pair, abs=0.05)


def test_one_gain_is_common_to_lr_and_hr_and_evenly_distributed():
    plain, changed = source(), source(intensity_jitter=0.2)
    gains = []
    for position in range(400):
        before, after = plain[position], changed[position]
        gain = (after["hr"] / before["hr"]).mean()
        torch.testing.assert_close(after["hr"], before["hr"] * gain)
        torch.testing.assert_close(after["lr"], before["lr"] * gain)
        assert ("valid" in before) == ("valid" in after)
        if "valid" in before:
            assert torch.equal(before["valid"], after["valid"])
        gains.append(float(gain))
    assert 0.8 <= min(gains) < 0.81
    assert 1.19 < max(gains) <= 1.2
    assert np.mean(gains) == pytest.approx(1, abs=4 * 0.4 / 12**0.5 / 20)


def test_changes_follow_from_the_position_alone():
    settings = {"channel_dropout": 0.5, "intensity_jitter": 0.5}
    one, other = source(**settings), source(**settings)
    other[3]
    assert torch.equal(one[5]["lr"], other[5]["lr"])
    assert not torch.equal(one[5]["lr"], one[6]["lr"])


def test_views_are_never_changed():
    crops = source(channel_dropout=0.9, intensity_jitter=0.9)
    (region,) = crops.parts
    (view,) = FixedViews([region], crops.pairing)
    assert float(view["hr"].min()) >= 1
    assert float(view["lr"].min()) >= 1


def test_a_chance_beyond_its_range_is_refused():
    for name in ["channel_dropout", "intensity_jitter"]:
        for value in [-0.1, 1, 20]:
            message = f"data.{name} is {value}; give a number from 0 (off) to below 1."
            with pytest.raises(ValueError, match=re.escape(message)):
                source(**{name: value})


def test_the_only_channel_is_not_emptied():
    with pytest.raises(ValueError, match=r"data.channel_dropout is 0.1, and LR has a single chan"):
        source(channels=1, channel_dropout=0.1)[0]
