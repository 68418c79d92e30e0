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

SIZES = [(2, 4, 5, 6), (1, 2, 3, 4, 5)]


def angle(first, second, dtype=torch.float64, **changed):
    """Of two spectra, as images of one pixel."""
    sr, hr = (torch.tensor(spectrum, dtype=dtype).view(1, -1, 1, 1) for spectrum in (first, second))
    return SpectralAngle()(sr, hr, context(**changed)).item()


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ((1, 0), (1, 1), np.pi / 4),
        ((1, 0), (0, 5), np.pi / 2),
        ((1, 0), (-2, 0), np.pi),
        ((1, 2, 3), (3, 2, 1), np.arccos(10 / 14)),
        ((3, 4), (3, 4), 0.0),
    ],
)
def test_angle_of_simple_spectra(first, second, expected):
    assert angle(first, second) == pytest.approx(expected, rel=1e-12)
    assert angle(first, second, torch.float32) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_map_matches_the_arc_cosine(size):
    sr, hr = 10_000 * random(*size) - 2_000, 10_000 * random(*size, seed=1)
    a, b = sr.numpy(), hr.numpy()
    expected = np.arccos((a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1))
    result = SpectralAngle()(sr, hr, context(data_range=10_000.0))
    assert result.shape == (size[0], 1, *size[2:])
    np.testing.assert_allclose(result[:, 0].numpy(), expected, rtol=1e-9)


@settings(max_examples=25, deadline=None)
@given(st.floats(1e-2, 1e4), st.floats(1e-2, 1e4))
def test_brightness_leaves_angles_alone(first, second):
    sr, hr = random(1, 3, 4, 4), random(1, 3, 4, 4, seed=1)
    torch.testing.assert_close(
        value(SpectralAngle(), first * sr, second * hr), value(SpectralAngle(), sr, hr)
    )


@pytest.mark.parametrize("small", [1e-3, 1e-6, 1e-8])
def test_small_angles_keep_their_digits(small):
    turned = [3 * np.cos(0.7 + small), 3 * np.sin(0.7 + small)]
    expected = np.arctan2(turned[1], turned[0]) - 0.7
    assert angle(turned, [np.cos(0.7), np.sin(0.7)]) == pytest.approx(
        expected, rel=1e-12, abs=2e-15
    )


def test_small_angles_are_seen_in_float32():
    assert angle([1, 1e-6], [1, 0], torch.float32) == pytest.approx(1e-6, rel=0.02)


@pytest.mark.parametrize("small", [1e-1, 1e-4, 1e-6])
def test_a_small_angle_shrinks_as_fast_as_a_large_one(small):
    sr = torch.tensor([np.cos(small), np.sin(small)]).view(1, 2, 1, 1).requires_grad_()
    value(
        SpectralAngle(), sr, torch.tensor([1.0, 0.0], dtype=torch.float64).view(1, 2, 1, 1)
    ).backward()
    # the unit vector along which the angle grows
    np.testing.assert_allclose(sr.grad.flatten(), [-np.sin(small), np.cos(small)], rtol=1e-6)


def test_parallel_spectra_have_no_angle_and_no_derivative():
    hr = random(1, 4, 3, 3)
    sr = hr.clone().requires_grad_()
    result = value(SpectralAngle(), sr, hr)
    result.backward()
    assert result == 0
    assert not sr.grad.any()


@pytest.mark.parametrize("dark", ["sr", "hr", "both"])
def test_spectrum_of_zero_counts_as_angle_zero(dark):
    sr, hr = random(1, 3, 2, 2), random(1, 3, 2, 2, seed=1)
    expected = SpectralAngle()(sr, hr, context())
    expected[..., 0, 0] = 0
    for image in {"sr": [sr], "hr": [hr], "both": [sr, hr]}[dark]:
        image[..., 0, 0] = 0
    sr.requires_grad_()
    result = SpectralAngle()(sr, hr, context())
    result.sum().backward()
    torch.testing.assert_close(result, expected)
    assert not sr.grad[..., 0, 0].any()
    assert sr.grad[..., 1, 1].all()


@pytest.mark.parametrize("data_range", [1.0, 1e4])
def test_spectrum_below_a_millionth_of_the_data_range_counts_as_zero(data_range):
    below, above = 0.9e-6 * data_range, 1.1e-6 * data_range
    for spectra in (([below, 0], [0, data_range]), ([data_range, 0], [0, below])):
        assert angle(*spectra, data_range=data_range) == 0
    for spectra in (([above, 0], [0, data_range]), ([data_range, 0], [0, above])):
        assert angle(*spectra, data_range=data_range) == pytest.approx(np.pi / 2)


def test_angles_are_those_of_physical_units():
    sr, hr = random(1, 3, 4, 4), random(1, 3, 4, 4, seed=1)
    expected = value(SpectralAngle(), 1000 * sr + 7, 1000 * hr + 7)
    torch.testing.assert_close(
        value(SpectralAngle(), sr, hr, denormalise=lambda x: 1000 * x + 7), expected
    )


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_half_hidden_equals_the_visible_half(size):
    assert_half_hidden_equals_visible_half(SpectralAngle(), *size)


@pytest.mark.parametrize("size", [(1, 3, 3, 4), (1, 2, 2, 3, 4)], ids=str)
def test_gradient_is_the_derivative(size):
    assert_gradient_is_derivative(SpectralAngle(), *size)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_finite_at_extremes(size):
    assert_finite_at_extremes(SpectralAngle(), *size)


def test_one_channel_has_no_spectrum():
    message = (
        "the spectral angle got images of 1 channel; it needs at least 2: choose more data.bands, or leave "
        "spectral_angle out of loss=."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        SpectralAngle()(random(1, 1, 4, 4), random(1, 1, 4, 4), context())
