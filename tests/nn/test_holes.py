from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from srlab.nn.holes import filled, throughout

HOLES = [np.nan, np.inf, -np.inf]


def holed(channels, shape, share, seed=0):
    random = np.random.default_rng(seed)
    image = random.random((channels, *shape)).astype(np.float32)
    hidden = random.random(image.shape) < share
    image[hidden] = random.choice(HOLES, hidden.sum())
    return image


@pytest.mark.parametrize("shape", [(9, 7), (5, 4, 6)], ids=len)
@pytest.mark.parametrize("share", [0.2, 0.9])
def test_each_missing_value_is_that_of_a_nearest_pixel_of_its_channel(shape, share):
    image = holed(2, shape, share)
    result = filled(image)
    for channel, own in zip(image, result, strict=True):
        valid = np.argwhere(np.isfinite(channel))
        for place in product(*map(range, shape)):
            distances = np.linalg.norm(valid - place, axis=1)
            nearest = valid[distances == distances.min()]
            assert own[place] in channel[tuple(nearest.T)]


def test_valid_values_stay_and_nothing_is_copied_without_holes():
    image = holed(3, (8, 8), 0.5)
    there = np.isfinite(image)
    np.testing.assert_array_equal(filled(image)[there], image[there])
    assert not np.isfinite(image[~there]).any()  # the argument is left alone
    whole = holed(3, (8, 8), 0)
    assert filled(whole) is whole


def test_a_channel_without_any_value_is_zero_and_others_are_filled():
    image = holed(2, (6, 6), 0.3)
    image[1] = np.nan
    result = filled(image)
    assert not result[1].any()
    assert result[0].all()


@settings(deadline=None, max_examples=80)
@given(data=st.data(), share=st.sampled_from([0.3, 0.7, 0.95]), seed=st.integers(0, 2**16))
def test_the_surroundings_of_a_valid_pixel_need_nothing_from_further_away(data, share, seed):
    shape = tuple(data.draw(st.lists(st.integers(1, 14), min_size=2, max_size=3)))
    image = holed(1, shape, share, seed)
    place = tuple(data.draw(st.integers(0, size - 1)) for size in shape)
    image[(0, *place)] = 0.5
    reach = data.draw(st.integers(0, 4))
    further = reach + int(np.ceil(np.sqrt(len(shape)) * reach))

    def around(pixels):
        return tuple(slice(max(at - pixels, 0), at + pixels + 1) for at in place)

    near, wide = around(reach), around(further)
    within = tuple(
        slice(one.start - other.start, min(one.stop, size) - other.start)
        for one, other, size in zip(near, wide, shape, strict=True)
    )
    part = filled(image[(slice(None), *wide)])[(slice(None), *within)]
    np.testing.assert_array_equal(part, filled(image)[(slice(None), *near)])


def test_blocks_that_are_true_throughout():
    mask = np.zeros((2, 4, 6), bool)
    mask[0, :2, 3:] = mask[1, 1:, :3] = True
    expected = np.zeros((2, 2, 2), bool)
    expected[0, 0, 1] = expected[1, 1, 0] = True
    np.testing.assert_array_equal(throughout(mask, (2, 3)), expected)
