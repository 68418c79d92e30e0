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

from srlab.losses.pixel import L1, L2, Charbonnier, Huber

every_term = pytest.mark.parametrize(
    "term", [L1(), L2(), Huber(), Charbonnier()], ids=lambda term: type(term).__name__
)


def gap(size, seed):
    sr, hr = random(*size, seed=seed), random(*size, seed=seed + 1)
    return sr, hr, (sr - hr).numpy()


@settings(max_examples=15, deadline=None)
@given(delta=st.floats(1e-3, 2), seed=st.integers(0, 999))
def test_huber_is_a_parabola_that_goes_on_as_its_tangent(delta, seed):
    sr, hr, d = gap((1, 2, 4, 5), seed)
    expected = np.where(np.abs(d) <= delta, d**2 / 2, delta * (np.abs(d) - delta / 2))
    np.testing.assert_allclose(Huber(delta=delta)(sr, hr, context()), expected)


@settings(max_examples=15, deadline=None)
@given(eps=st.floats(1e-4, 2), seed=st.integers(0, 999))
def test_charbonnier_is_a_hyperbola(eps, seed):
    sr, hr, d = gap((1, 2, 3, 4, 2), seed)
    np.testing.assert_allclose(Charbonnier(eps=eps)(sr, hr, context()), np.sqrt(d**2 + eps**2))


def test_charbonnier_is_least_and_flat_where_sr_equals_hr():
    sr = random(1, 1, 3, 3).float().requires_grad_()
    error = Charbonnier(eps=0.25)(sr, sr.detach().clone(), context())
    error.sum().backward()
    assert torch.equal(error, torch.full_like(error, 0.25))
    assert torch.equal(sr.grad, torch.zeros_like(sr))


@every_term
def test_gradient_is_the_derivative(term):
    assert_gradient_is_derivative(term, 1, 2, 3, 4)


@every_term
def test_hidden_pixels_are_as_if_cut_off(term):
    for size in [(2, 2, 3, 4), (1, 1, 2, 3, 4)]:
        assert_half_hidden_equals_visible_half(term, *size)


@every_term
def test_extreme_images_leave_value_and_gradient_finite(term):
    assert_finite_at_extremes(term, 2, 3, 4)


@pytest.mark.parametrize(("term", "argument"), [(Huber, "delta"), (Charbonnier, "eps")])
def test_radius_must_be_positive(term, argument):
    for value in (0.0, -1.0):
        message = f"loss.{term.__name__.lower()}.term.{argument} is {value}; it must be above 0."
        with pytest.raises(ValueError, match=re.escape(message)):
            term(**{argument: value})
