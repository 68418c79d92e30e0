import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from term_checks import (
    assert_finite_at_extremes,
    assert_gradient_is_derivative,
    assert_half_hidden_equals_visible_half,
    context,
    random,
    value,
)

from srlab.losses import SpectralAngle

SIZES = [(1, 4, 3, 4), (1, 2, 2, 3, 4)]


def angle(first, second, data_range):
    """Of two spectra, as images of one pixel."""
    sr, hr = (torch.tensor(spectrum).view(1, -1, 1, 1) for spectrum in (first, second))
    return SpectralAngle()(sr, hr, context(data_range=data_range)).item()


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_map_matches_the_arc_cosine(size):
    sr, hr = 10_000 * random(*size) - 2_000, 10_000 * random(*size, seed=1)
    a, b = sr.numpy(), hr.numpy()
    expected = np.arccos((a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1))
    result = SpectralAngle()(sr, hr, context(data_range=10_000.0))
    assert result.shape == (size[0], 1, *size[2:])
    np.testing.assert_allclose(result[:, 0].numpy(), expected, rtol=1e-9)


@settings(max_examples=10, deadline=None)
@given(st.floats(1e-2, 1e4), st.floats(1e-2, 1e4))
def test_brightness_leaves_angles_alone(first, second):
    sr, hr = random(1, 3, 4, 4), random(1, 3, 4, 4, seed=1)
    plain = value(SpectralAngle(), sr, hr)
    torch.testing.assert_close(value(SpectralAngle(), first * sr, second * hr), plain)


@pytest.mark.parametrize("data_range", [1.0, 1e4])
def test_spectrum_below_a_millionth_of_the_data_range_counts_as_zero(data_range):
    below, above = 0.9e-6 * data_range, 1.1e-6 * data_range
    assert angle([below, 0], [0, data_range], data_range) == 0
    assert angle([data_range, 0], [0, below], data_range) == 0
    assert angle([above, 0], [0, data_range], data_range) == pytest.approx(np.pi / 2)
    assert angle([data_range, 0], [0, above], data_range) == pytest.approx(np.pi / 2)


def test_angles_are_those_of_physical_units():
    sr, hr = random(1, 3, 4, 4), random(1, 3, 4, 4, seed=1)
    expected = value(SpectralAngle(), 1000 * sr + 7, 1000 * hr + 7)
    got = value(SpectralAngle(), sr, hr, denormalise=lambda image: 1000 * image + 7)
    torch.testing.assert_close(got, expected)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_half_hidden_equals_the_visible_half(size):
    assert_half_hidden_equals_visible_half(SpectralAngle(), *size)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_gradient_is_the_derivative(size):
    assert_gradient_is_derivative(SpectralAngle(), *size)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_finite_at_extremes(size):
    assert_finite_at_extremes(SpectralAngle(), *size[1:])


def test_one_channel_has_no_spectrum():
    message = (
        "the spectral angle got images of 1 channel; it needs at least 2: choose more data.bands, "
        "or leave spectral_angle out of loss=."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        SpectralAngle()(random(1, 1, 4, 4), random(1, 1, 4, 4), context())
