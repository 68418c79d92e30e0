import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from term_checks import (
    assert_finite_at_extremes,
    assert_gradient_is_derivative,
    context,
    half_hidden,
    random,
    value,
)

from srlab.losses import Frequency

SIZES = [(2, 3, 5, 6), (2, 1, 4, 7), (1, 2, 3, 4, 4), (1, 2, 1, 1), (1, 1, 3, 2)]


def spectra(*images):
    return [np.fft.fftn(image, axes=range(2, image.ndim), norm="ortho") for image in images]


def focus(first, second, alpha):
    distance = np.abs(first - second) ** alpha
    return distance / distance.max(axis=tuple(range(2, distance.ndim)), keepdims=True)


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_matches_the_whole_spectrum_of_numpy(alpha):
    for size in SIZES:
        sr, hr = random(*size), random(*size, seed=1)
        first, second = spectra(sr.numpy(), hr.numpy())
        expected = (focus(first, second, alpha) * np.abs(np.abs(first) - np.abs(second))).mean()
        result = Frequency(alpha=alpha)(sr, hr, context())
        assert result.shape == ()
        assert result.item() == pytest.approx(expected, rel=1e-9)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 5), st.integers(0, 4))
def test_place_of_a_texture_does_not_matter(down, right):
    hr = random(1, 2, 6, 5)
    moved = hr.roll((down, right), (2, 3))
    assert value(Frequency(), moved, hr).item() == pytest.approx(0, abs=1e-12)


def test_weights_are_constants_to_the_gradient():
    sr, hr = random(2, 2, 4, 5).requires_grad_(), random(2, 2, 4, 5, seed=1)
    value(Frequency(alpha=1.0), sr, hr).backward()
    weight = torch.from_numpy(focus(*spectra(sr.detach().numpy(), hr.numpy()), 1.0))
    other = sr.detach().clone().requires_grad_()
    first, second = (torch.fft.fft2(image, norm="ortho").abs() for image in (other, hr))
    (weight * (first - second).abs()).mean().backward()
    torch.testing.assert_close(sr.grad, other.grad)


def test_derivative_fades_where_the_amplitude_is_zero():
    """Rounding errors of a flat image do not decide where its frequencies go."""
    sr = (1e-9 * random(1, 1, 4, 4) + 0.5).requires_grad_()
    value(Frequency(), sr, random(1, 1, 4, 4, seed=1)).backward()
    away_from_mean = sr.grad - sr.grad.mean()
    assert away_from_mean.abs().max() < 0.02 * sr.grad.mean().abs()


@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_hidden_pixels_count_as_equal(alpha):
    size = (1, 2, 4, 6)
    sr, hr, valid = random(*size), random(*size, seed=1), half_hidden(size)
    expected = value(Frequency(alpha=alpha), sr * valid, hr * valid)
    result = value(Frequency(alpha=alpha), sr, torch.where(valid, hr, torch.nan), valid=valid)
    torch.testing.assert_close(result, expected)


def test_image_without_valid_pixels_counts_as_difference_zero():
    size = (2, 2, 4, 6)
    sr, hr = random(*size), random(*size, seed=1)
    valid = torch.ones(2, 1, 4, 6, dtype=torch.bool)
    valid[1] = False
    alone = value(Frequency(), sr[:1], hr[:1])
    torch.testing.assert_close(value(Frequency(), sr, hr, valid=valid), alone / 2)


@pytest.mark.parametrize("size", [(1, 2, 3, 4), (1, 1, 2, 3, 4)], ids=str)
def test_gradient_is_the_derivative(size):
    assert_gradient_is_derivative(Frequency(), *size)


@pytest.mark.parametrize(("alpha", "size"), [(0.0, (1, 3, 4, 5)), (0.5, (3, 5, 6)), (1, (3, 5, 6))])
def test_finite_at_extremes(alpha, size):
    assert_finite_at_extremes(Frequency(alpha=alpha), *size)


def test_negative_alpha_is_refused():
    message = (
        "loss.frequency.term.alpha is -1.0; it must be 0 (all frequencies alike) or more (hard "
        "ones first)."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        Frequency(alpha=-1.0)
