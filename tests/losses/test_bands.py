import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from term_checks import random

from srlab.losses.bands import Bands, FeatureInput, to_unit_range

WAYS = "[3, 2, 1], one to be repeated such as [1], or a list of such lists to be averaged."


@settings(max_examples=15, deadline=None)
@given(lists=st.lists(st.lists(st.integers(1, 5), min_size=3, max_size=3), min_size=1, max_size=3))
def test_lists_are_numpys_choice_counted_from_one(lists):
    image = random(2, 5, 3, 4)
    got = Bands(lists)(image)
    assert got.shape == (2 * len(lists), 3, 3, 4)
    for part, bands in zip(got.chunk(len(lists)), lists, strict=True):
        expected = image.numpy()[:, [band - 1 for band in bands]]
        assert torch.equal(part, torch.from_numpy(expected))


def test_a_plain_list_is_one_list():
    image = random(1, 4, 2, 2)
    assert torch.equal(Bands([3, 2, 1])(image), image[:, [2, 1, 0]])


def test_one_band_is_repeated():
    image = random(2, 4, 2, 3)
    assert torch.equal(Bands([4])(image), image[:, [3, 3, 3]])
    assert torch.equal(Bands([[4], [2]])(image)[2:], image[:, [1, 1, 1]])


def test_without_a_choice_all_bands_are_taken_or_the_only_one_repeated():
    colours, grey = random(2, 3, 2, 2, 2), random(2, 1, 2, 2, 2)
    assert torch.equal(Bands(None)(colours), colours)
    assert torch.equal(Bands(None)(grey), torch.cat([grey] * 3, dim=1))
    assert torch.equal(Bands(None, in_channels=5)(random(1, 5, 2, 2)), random(1, 5, 2, 2))


@pytest.mark.parametrize("count", [2, 4])
def test_other_channel_counts_need_a_choice(count):
    message = (
        f"the images have {count} channels and the feature network takes 3; set the term's "
        f"channels to positions in data.bands: {WAYS}"
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        Bands(None)(random(1, count, 2, 2))


def test_channels_that_choose_nothing_are_refused():
    wrong = [[], [[]], [0, 1, 2], [1, 2], [1.0, 2.0, 3.0], ["B04"], [[3, 2, 1], 4], 3, [True]]
    for channels in wrong:
        message = f"channels is {channels!r}; give positions in data.bands from 1: {WAYS}"
        with pytest.raises(ValueError, match=re.escape(message)):
            Bands(channels)


def test_a_band_beyond_the_last_is_refused():
    message = "channels asks for band 5 of images that have 4; give positions in data.bands, from 1"
    with pytest.raises(ValueError, match=re.escape(message)):
        Bands([5, 2, 1])(random(1, 4, 2, 2))


def test_low_becomes_zero_and_high_one_without_clamping():
    image = torch.tensor([-50.0, 100.0, 600.0])
    got = to_unit_range(image, low=100, high=600, data_range=7.0)
    torch.testing.assert_close(got, torch.tensor([-0.3, 0.0, 1.0]))


def test_range_defaults_to_zero_and_the_data_range():
    got = to_unit_range(torch.tensor([0.0, 10.0, 40.0]), low=None, high=None, data_range=40.0)
    torch.testing.assert_close(got, torch.tensor([0.0, 0.25, 1.0]))


def test_empty_range_is_refused():
    for low, high in [(1.0, None), (2.0, -2.0), (float("nan"), 1.0)]:
        with pytest.raises(
            ValueError, match=rf"the value range is {low} to .*; set low below high\."
        ):
            to_unit_range(random(1), low=low, high=high, data_range=1.0)


def test_network_gets_chosen_bands_in_its_range():
    image = random(2, 4, 3, 2)
    got = FeatureInput(channels=[4, 2, 1], low=-1.0, high=None)(image, data_range=3.0)
    torch.testing.assert_close(got, (image[:, [3, 1, 0]] + 1) / 4)


def test_other_dimensions_are_refused():
    message = (
        "the feature network takes images of 2 spatial axes, and these have the shape "
        "(1, 3, 2, 2, 2); for volumes and video wrap the term in srlab.losses.Slices, as "
        "loss=[perceptual_vgg_slices] does, or use a network that takes them."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        FeatureInput(channels=None, low=0, high=1)(random(1, 3, 2, 2, 2), data_range=1.0)
