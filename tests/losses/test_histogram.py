import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import wasserstein_distance
from term_checks import (
    assert_finite_at_extremes,
    assert_gradient_is_derivative,
    assert_half_hidden_equals_visible_half,
    context,
    half_hidden,
    random,
    scattered,
    value,
)

from srlab.losses import Histogram

SIZES = [(2, 3, 5, 6), (2, 2, 3, 4, 5)]
each_size = pytest.mark.parametrize("size", SIZES, ids=str)


@each_size
def test_each_channel_matches_scipy(size):
    sr, hr = 3 * random(*size) - 1, random(*size, seed=1)
    distances = Histogram()(sr, hr, context())
    assert distances.shape == sr.shape
    found, ours, theirs = (image.flatten(2).flatten(0, 1) for image in (distances, sr, hr))
    for distance, a, b in zip(found, ours, theirs, strict=True):
        assert distance.mean().item() == pytest.approx(wasserstein_distance(a, b))


@each_size
def test_visible_values_alone_match_scipy(size):
    """Zero, which hidden pixels hold, lies below, among or above the visible values."""
    valid = scattered(size)
    for offset in (-1.0, -0.5, 0.0):
        sr, hr = 4e4 * (random(*size) + offset), 2e4 * (random(*size, seed=1) + offset)
        total = 0.0
        for image, shown in enumerate(valid[:, 0]):
            for a, b in zip(sr[image], hr[image], strict=True):
                total += wasserstein_distance(a[shown], b[shown]) * int(shown.sum())
        result = value(Histogram(), sr, torch.where(valid, hr, torch.nan), valid=valid)
        assert result.item() == pytest.approx(total / (size[1] * int(valid.sum())))


def test_even_the_largest_value_ranks_before_hidden_pixels():
    most = torch.finfo(torch.float64).max
    sr = torch.tensor([0.0, most, 0.0], dtype=torch.float64).view(1, 1, 1, 3)
    hr = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64).view(1, 1, 1, 3)
    valid = torch.tensor([False, True, True]).view(1, 1, 1, 3)
    assert Histogram()(sr, hr, context(valid=valid)).flatten().tolist() == [0.0, most, 0.0]


@settings(max_examples=10, deadline=None)
@given(st.permutations(range(12)))
def test_permuted_pixels_have_distance_zero(order):
    hr = random(2, 3, 3, 4)
    sr = hr.flatten(2)[:, :, order].view_as(hr)
    assert value(Histogram(), sr, hr) == 0


@pytest.mark.parametrize("shift", [-0.3, 2.0])
def test_shift_has_the_distance_of_its_amount(shift):
    hr = random(1, 2, 5, 5)
    assert value(Histogram(), hr.flip(2) + shift, hr).item() == pytest.approx(abs(shift))


def test_ties_share_their_counterparts():
    hr = random(1, 1, 4, 4)
    result = value(Histogram(), torch.full_like(hr, 0.5), hr)
    np.testing.assert_allclose(result, np.abs(0.5 - hr.numpy()).mean())


def test_gradient_leads_to_the_value_of_the_same_rank():
    sr = torch.tensor([[[[3.0, 1.0, 2.0]]]], requires_grad=True)
    value(Histogram(), sr, torch.tensor([[[[0.0, 9.0, 2.0]]]])).backward()
    torch.testing.assert_close(sr.grad, torch.tensor([[[[-1.0, 1.0, 0.0]]]]) / 3)


@each_size
def test_half_hidden_equals_the_visible_half(size):
    assert_half_hidden_equals_visible_half(Histogram(), *size)


def test_hidden_pixels_of_the_map_are_zero():
    size = (1, 2, 4, 4)
    valid = half_hidden(size)
    result = Histogram()(random(*size) * valid, random(*size, seed=1) * valid, context(valid=valid))
    assert not result[..., 2:].any()


@pytest.mark.parametrize("size", [(1, 2, 3, 4), (1, 1, 2, 3, 4)], ids=str)
def test_gradient_is_the_derivative(size):
    assert_gradient_is_derivative(Histogram(), *size)


@pytest.mark.parametrize("size", [(3, 5, 6), (2, 3, 4, 5)], ids=str)
def test_finite_at_extremes(size):
    assert_finite_at_extremes(Histogram(), *size)
