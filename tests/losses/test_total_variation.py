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
)

from srlab.losses.total_variation import TotalVariation

each_size = pytest.mark.parametrize("size", [(2, 2, 3, 4), (1, 1, 2, 3, 4)], ids=str)


def variation(image, valid=None, *, eps=1e-3):
    """The map of the term; HR is NaN, for it takes no part."""
    return TotalVariation(eps=eps)(image, torch.full_like(image, torch.nan), context(valid=valid))


def by_hand(image, valid, eps):
    """Pixel by pixel, the root of the summed squares of the differences to the next pixels."""
    result = np.zeros_like(image)
    for batch, channel, *place in np.ndindex(image.shape):
        squares = 0.0
        for axis, position in enumerate(place):
            following = (*place[:axis], position + 1, *place[axis + 1 :])
            inside = position + 1 < image.shape[2 + axis]
            if inside and valid[(batch, 0, *place)] and valid[(batch, 0, *following)]:
                change = image[(batch, channel, *following)] - image[(batch, channel, *place)]
                squares += change**2
        result[(batch, channel, *place)] = np.sqrt(squares + eps**2) - eps
    return result


@settings(max_examples=12, deadline=None)
@given(
    size=st.sampled_from([(2, 2, 4, 5), (1, 2, 3, 4, 2), (1, 1, 1, 4)]),
    share=st.sampled_from([0.3, 0.8, 1.0]),
    eps=st.floats(1e-3, 1),
    seed=st.integers(0, 999),
)
def test_map_is_the_length_of_the_differences_between_valid_pixels(size, share, eps, seed):
    image, valid = random(*size, seed=seed), random(size[0], 1, *size[2:], seed=seed + 1) < share
    expected = by_hand(image.numpy(), valid.numpy(), eps)
    np.testing.assert_allclose(variation(image, valid, eps=eps), expected, atol=1e-12)
    if share == 1:
        assert torch.equal(variation(image, eps=eps), variation(image, valid, eps=eps))


@pytest.mark.parametrize("slopes", [(3.0, 4.0), (0.0, -5.0), (2.0, 3.0, 6.0)])
def test_plane_varies_by_its_slope_whatever_its_direction(slopes):
    axes = torch.meshgrid(*[torch.arange(4, dtype=torch.float64)] * len(slopes), indexing="ij")
    plane = sum(slope * axis for slope, axis in zip(slopes, axes, strict=True))[None, None]
    inside = variation(plane, eps=1e-9)[(..., *[slice(None, -1)] * len(slopes))]
    torch.testing.assert_close(inside, torch.full_like(inside, np.linalg.norm(slopes)))


def test_constant_image_has_none_and_stays():
    for level in (0.0, 0.1, 10_000.0):
        image = torch.full((1, 2, 3, 4), level).requires_grad_()
        result = variation(image)
        result.sum().backward()
        assert torch.equal(result, torch.zeros_like(result))
        assert torch.equal(image.grad, torch.zeros_like(image))


@each_size
def test_hidden_pixels_are_as_if_cut_off(size):
    assert_half_hidden_equals_visible_half(TotalVariation(), *size)


@each_size
def test_gradient_is_the_derivative(size):
    assert_gradient_is_derivative(TotalVariation(), *size)


@each_size
def test_extreme_images_leave_value_and_gradient_finite(size):
    assert_finite_at_extremes(TotalVariation(), *size[1:])


def test_eps_must_be_positive():
    message = "loss.total_variation.term.eps is 0; it must be above 0."
    with pytest.raises(ValueError, match=re.escape(message)):
        TotalVariation(eps=0)
