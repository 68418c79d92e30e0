import re

import numpy as np
import pytest
import torch
from term_checks import (
    assert_finite_at_extremes,
    assert_gradient_is_derivative,
    assert_half_hidden_equals_visible_half,
    context,
    random,
    scattered,
    value,
)

from srlab.losses import Gradient

NORMS = {"l1": np.abs, "l2": np.square}
each_norm = pytest.mark.parametrize("norm", NORMS)
either = pytest.mark.parametrize(
    ("norm", "size"), [("l1", (1, 2, 3, 4)), ("l2", (1, 1, 2, 3, 4))], ids=str
)


@each_norm
def test_matches_the_differences_of_numpy(norm):
    for size in [(2, 3, 5, 6), (1, 2, 3, 4, 5), (1, 1, 1, 4)]:
        sr, hr = random(*size), random(*size, seed=1)
        axes = range(2, len(size))
        steps = [np.diff(sr.numpy(), axis=axis) - np.diff(hr.numpy(), axis=axis) for axis in axes]
        expected = sum(NORMS[norm](step).sum() for step in steps) / len(axes) / sr.numel()
        assert Gradient(norm=norm)(sr, hr, context()).shape == sr.shape
        assert value(Gradient(norm=norm), sr, hr).item() == pytest.approx(expected)


@each_norm
def test_map_counts_a_step_at_the_pixel_before_it(norm):
    sr = torch.zeros(1, 1, 3, 4)
    sr[..., 1, 2] = 2.0
    expected = np.zeros((3, 4))
    for pixels in ([(0, 2), (1, 2)], [(1, 1), (1, 2)]):  # down, then across
        for pixel in pixels:
            expected[pixel] += NORMS[norm](2.0) / 2
    result = Gradient(norm=norm)(sr, torch.zeros_like(sr), context())
    np.testing.assert_allclose(result[0, 0], expected)


@pytest.mark.parametrize(("norm", "size"), [("l1", (2, 3, 5, 6)), ("l2", (1, 2, 3, 4, 5))], ids=str)
def test_pairs_with_a_hidden_neighbour_count_as_zero(norm, size):
    sr, hr, valid = random(*size), random(*size, seed=1), scattered(size)
    error, shown = (sr - hr).numpy(), np.broadcast_to(valid.numpy(), size)
    total = 0.0
    for here in np.ndindex(*size):
        for axis in range(2, len(size)):
            there = (*here[:axis], here[axis] + 1, *here[axis + 1 :])
            if there[axis] < size[axis] and shown[here] and shown[there]:
                total += NORMS[norm](error[there] - error[here]) / (len(size) - 2)
    result = value(Gradient(norm=norm), sr, torch.where(valid, hr, torch.nan), valid=valid)
    assert result.item() == pytest.approx(total / shown.sum())


@each_norm
def test_constant_offset_has_no_gradient(norm):
    hr = random(1, 2, 5, 5)
    assert value(Gradient(norm=norm), hr + 3, hr).item() == pytest.approx(0, abs=1e-12)


@each_norm
def test_inverted_edges_differ(norm):
    term, hr = Gradient(norm=norm), random(1, 2, 5, 5)
    assert value(term, 1 - hr, hr) > value(term, torch.zeros_like(hr), hr)


@either
def test_half_hidden_equals_the_visible_half(norm, size):
    assert_half_hidden_equals_visible_half(Gradient(norm=norm), *size)


@either
def test_gradient_is_the_derivative(norm, size):
    assert_gradient_is_derivative(Gradient(norm=norm), *size)


@either
def test_finite_at_extremes(norm, size):
    assert_finite_at_extremes(Gradient(norm=norm), *size[1:])


def test_unknown_norm_is_refused():
    message = "loss.gradient.term.norm is 'l3'; it must be one of l1, l2."
    with pytest.raises(ValueError, match=re.escape(message)):
        Gradient(norm="l3")
