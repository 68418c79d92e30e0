import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from term_checks import context, random

from srlab.losses.bands import Bands, FeatureInput

WAYS = "as [3, 2, 1], one to be repeated, as [1], or a list of such lists to be averaged, as [[3, 2, 1], [4]]"


def shown(**changed):
    return FeatureInput(**{"channels": None, "low": None, "high": None, **changed})


@settings(max_examples=25, deadline=None)
@given(lists=st.lists(st.lists(st.integers(1, 5), min_size=3, max_size=3), min_size=1, max_size=3))
def test_lists_are_numpys_choice_counted_from_one(lists):
    image = random(2, 5, 3, 4)
    expected = [image.numpy()[:, [band - 1 for band in bands]] for bands in lists]
    got = Bands(lists)(image)
    assert got.shape == (2 * len(lists), 3, 3, 4)
    for part, numpy in zip(got.chunk(len(lists)), expected, strict=True):
        assert torch.equal(part, torch.from_numpy(numpy))


def test_a_plain_list_is_one_list():
    image = random(1, 4, 2, 2)
    assert torch.equal(Bands([3, 2, 1])(image), image[:, [2, 1, 0]])


def test_one_band_is_repeated():
    image = random(2, 4, 2, 3)
    assert torch.equal(Bands([4])(image), torch.stack([image[:, 3]] * 3, dim=1))
    assert torch.equal(Bands([[4], [2]])(image)[2:], torch.stack([image[:, 1]] * 3, dim=1))


def test_without_a_choice_all_bands_are_taken_or_the_only_one_repeated():
    colours, grey = random(2, 3, 2, 2, 2), random(2, 1, 2, 2, 2)
    assert torch.equal(Bands(None)(colours), colours)
    assert torch.equal(Bands(None)(grey), torch.cat([grey] * 3, dim=1))
    assert torch.equal(Bands(None, in_channels=5)(random(1, 5, 2, 2)), random(1, 5, 2, 2))


@pytest.mark.parametrize("count", [2, 4])
def test_other_channel_counts_need_a_choice(count):
    message = f"the images have {count} channels and the feature network takes 3; set the term's channels to positions"
    with pytest.raises(ValueError, match=re.escape(f"{message} in data.bands, {WAYS}.")):
        Bands(None)(random(1, count, 2, 2))


@pytest.mark.parametrize(
    "channels", [[], [[]], [0, 1, 2], [1, 2], [1.0, 2.0, 3.0], ["B04"], [[3, 2, 1], 4], 3, [True]]
)
def test_channels_that_choose_nothing_are_refused(channels):
    message = f"channels is {channels!r}; give positions in data.bands from 1, {WAYS}."
    with pytest.raises(ValueError, match=re.escape(message)):
        Bands(channels)


def test_a_band_beyond_the_last_is_refused():
    message = (
        "channels asks for band 5 of images that have 4; give positions in data.bands, from 1."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        Bands([5, 2, 1])(random(1, 4, 2, 2))


def test_low_becomes_zero_and_high_one_without_clamping():
    image = torch.tensor([-50.0, 100.0, 600.0]).view(1, 1, 1, 3)
    for got in shown(low=100, high=600)(image, context(data_range=7.0))[0]:
        torch.testing.assert_close(got, torch.tensor([[-0.3, 0.0, 1.0]]))


def test_range_defaults_to_zero_and_the_data_range():
    image = torch.tensor([0.0, 10.0, 40.0]).view(1, 1, 1, 3)
    for got in shown()(image, context(data_range=40.0))[0]:
        torch.testing.assert_close(got, torch.tensor([[0.0, 0.25, 1.0]]))


@pytest.mark.parametrize(("low", "high"), [(1.0, None), (2.0, -2.0), (float("nan"), 1.0)])
def test_empty_range_is_refused(low, high):
    message = f"the value range is {low} to {1.0 if high is None else high}; set the term's low below its high."
    with pytest.raises(ValueError, match=re.escape(message)):
        shown(low=low, high=high)(random(1, 3, 2, 2), context())


def test_other_dimensions_are_refused():
    message = (
        "the feature network takes images of 2 spatial axes, and these have the shape (1, 3, 2, 2, 2); for volumes and "
        "video wrap the term in srlab.losses.Slices, as loss=[perceptual_vgg_slices] does, or use a network that takes "
        "them."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        shown()(random(1, 3, 2, 2, 2), context())
