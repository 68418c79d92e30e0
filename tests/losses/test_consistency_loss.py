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

from srlab.degradations import Bicubic
from srlab.losses import Consistency

NORMS = {"l1": np.abs, "l2": np.square}
each_norm = pytest.mark.parametrize("norm", NORMS)


def halve(hr):
    """The mean of each cell of two pixels a side."""
    for axis in range(2, hr.ndim):
        hr = hr.unfold(axis, 2, 2).mean(dim=-1)
    return hr


def blocks_mean(hr, factor):
    b, c, h, w = hr.shape
    return hr.reshape(b, c, h // factor, factor, w // factor, factor).mean(axis=(3, 5))


@pytest.mark.parametrize(
    ("norm", "size", "scale"),
    [
        ("l1", (2, 3, 8, 12), [2, 2]),
        ("l2", (1, 1, 8, 8), [1, 4]),
        ("l1", (1, 2, 3, 8, 8), [1, 4, 4]),
    ],
    ids=str,
)
def test_image_that_degrades_to_lr_is_consistent(norm, size, scale):
    hr = 10_000 * random(*size)
    degrade = Bicubic(scale=scale, spatial_dims=len(scale))
    given = {"lr_physical": degrade(hr), "degrade": degrade, "data_range": 10_000.0}
    assert value(Consistency(norm=norm), hr, random(*size, seed=1), **given) == 0
    apart = value(Consistency(norm=norm), hr + 100, hr, **given)
    assert apart.item() == pytest.approx(NORMS[norm](0.01))


@each_norm
def test_matches_cells_averaged_by_numpy(norm):
    sr, lr = 255 * random(2, 3, 4, 6), 255 * random(2, 3, 2, 3, seed=1)
    expected = NORMS[norm]((blocks_mean(sr.numpy(), 2) - lr.numpy()) / 255).mean()
    given = context(lr_physical=lr, degrade=halve, data_range=255.0)
    result = Consistency(norm=norm)(sr, torch.zeros_like(sr), given)
    assert result.shape == ()
    assert result.item() == pytest.approx(expected)


def test_sr_is_degraded_in_physical_units():
    sr, lr = random(1, 2, 4, 4), 100 * random(1, 2, 2, 2, seed=1)
    given = {"lr_physical": lr, "data_range": 100.0, "degrade": lambda hr: halve(hr).square()}
    expected = np.abs(blocks_mean(100 * sr.numpy() + 7, 2) ** 2 - lr.numpy()).mean() / 100
    result = value(Consistency(), sr, sr, denormalise=lambda image: 100 * image + 7, **given)
    assert result.item() == pytest.approx(expected)


@settings(max_examples=25, deadline=None)
@given(
    hidden=st.tuples(st.integers(0, 11), st.integers(0, 15)),
    wrong=st.tuples(st.integers(0, 5), st.integers(0, 7)),
    reach=st.integers(0, 3),
)
def test_lr_pixels_within_reach_of_a_hidden_one_do_not_count(hidden, wrong, reach):
    """One LR pixel is wrong by 1. It counts if the hidden pixel's cell is beyond the reach."""
    sr = torch.zeros(1, 2, 12, 16)
    valid = torch.ones(1, 1, 12, 16, dtype=torch.bool)
    valid[0, 0, hidden[0], hidden[1]] = False
    lr = torch.zeros(1, 2, 6, 8)
    lr[0, :, wrong[0], wrong[1]] = 1.0
    rows, columns = np.indices((6, 8))
    distance = np.maximum(abs(rows - hidden[0] // 2), abs(columns - hidden[1] // 2))
    expected = 1 / (distance > reach).sum() if distance[wrong] > reach else 0.0
    given = {"valid": valid, "lr_physical": lr, "degrade": halve}
    assert value(Consistency(reach=reach), sr, sr, **given).item() == pytest.approx(expected)


@pytest.mark.parametrize("scale", [2, 4])
def test_hidden_pixels_do_not_enter_by_bicubic_shrinking(scale):
    """LR knew what hides behind the mask; SR, zero there, agrees with all LR pixels that count."""
    hr = random(2, 2, 10 * scale, 12 * scale)
    valid = torch.ones(2, 1, *hr.shape[2:], dtype=torch.bool)
    valid[0, 0, 4 * scale : 4 * scale + 3, 5 * scale - 1] = False
    valid[1, 0, :, : 2 * scale + 1] = False
    degrade = Bicubic(scale=scale)
    lr = degrade(torch.where(valid, hr, 1e6))
    given = {"lr_physical": lr, "degrade": degrade, "valid": valid}
    assert value(Consistency(), hr, hr, **given).item() == pytest.approx(0, abs=1e-12)
    assert value(Consistency(), hr + 0.25, hr, **given).item() == pytest.approx(0.25)
    assert value(Consistency(reach=0), hr, hr, **given) > 1


def test_half_hidden_equals_the_visible_half():
    size = (2, 3, 6, 8)
    sr, lr, valid = random(*size), random(2, 3, 3, 4, seed=1), half_hidden(size)
    alone = sr[..., :4].clone().requires_grad_()
    expected = value(Consistency(), alone, alone.detach(), lr_physical=lr[..., :2], degrade=halve)
    expected.backward()
    masked, hr = sr.clone().requires_grad_(), torch.full_like(sr, torch.nan)
    term = Consistency(reach=0)  # averaged cells look at nothing beyond
    result = value(term, masked, hr, lr_physical=lr, degrade=halve, valid=valid)
    result.backward()
    torch.testing.assert_close(result, expected)
    torch.testing.assert_close(masked.grad[..., :4], alone.grad)
    assert not masked.grad[..., 4:].any()


def test_no_lr_pixel_beyond_reach_counts_for_nothing():
    sr = random(1, 1, 8, 8).requires_grad_()
    valid = torch.ones(1, 1, 8, 8, dtype=torch.bool)
    valid[..., 4, 4] = False
    given = {"lr_physical": torch.ones(1, 1, 4, 4), "degrade": halve, "valid": valid}
    result = value(Consistency(), sr, sr.detach(), **given)
    result.backward()
    assert result == 0
    assert not sr.grad.any()


def test_channels_name_the_lr_counterparts_of_sr():
    sr, lr = random(1, 2, 4, 4), random(1, 5, 2, 2, seed=1)
    expected = value(Consistency(), sr, sr, lr_physical=lr[:, [3, 0]], degrade=halve)
    result = value(Consistency(channels=[4, 1]), sr, sr, lr_physical=lr, degrade=halve)
    assert result == expected > 0


def test_channels_without_a_counterpart_are_refused():
    sr, lr = random(1, 2, 4, 4), random(1, 3, 2, 2)
    for channels in (None, [1], [1, 4], [0, 1]):
        message = (
            f"loss=consistency compares LR channels {channels or [1, 2, 3]} of 3 with 2 SR "
            "channels; name one LR channel for each SR channel by loss.consistency.term.channels=."
        )
        with pytest.raises(ValueError, match=re.escape(message)):
            value(Consistency(channels=channels), sr, sr, lr_physical=lr, degrade=halve)


def test_degradation_to_another_size_is_refused():
    message = (
        "the degradation made (1, 1, 4, 4) of SR, but LR is (1, 1, 2, 2); choose the degradation "
        "and scale by which LR came from HR, or leave consistency out of loss=."
    )
    sr = random(1, 1, 8, 8)
    with pytest.raises(ValueError, match=re.escape(message)):
        value(Consistency(), sr, sr, lr_physical=random(1, 1, 2, 2), degrade=halve)


def test_degradation_without_gradient_is_refused_in_training_alone():
    message = "loss=consistency cannot train through this degradation, which passes no gradient; "
    sr = random(1, 1, 4, 4)
    given = {"lr_physical": random(1, 1, 2, 2), "degrade": lambda hr: halve(hr).detach()}
    assert value(Consistency(), sr, sr, **given) > 0
    with pytest.raises(ValueError, match=re.escape(message)):
        value(Consistency(), sr.clone().requires_grad_(), sr, **given)


@pytest.mark.parametrize(("norm", "dims", "reach"), [("l1", 3, 0), ("l2", 2, 2)])
def test_gradient_is_the_derivative(norm, dims, reach):
    lr = random(1, 1, *[2] * dims, seed=2)
    term = Consistency(norm=norm, reach=reach)
    assert_gradient_is_derivative(term, 1, 1, *[4] * dims, lr_physical=lr, degrade=halve)


@pytest.mark.parametrize(("norm", "dims"), [("l1", 3), ("l2", 2)])
def test_finite_at_extremes(norm, dims):
    size = (2, *[4] * (dims - 1), 12)
    degrade = Bicubic(scale=2, spatial_dims=dims)
    for hr in (torch.zeros(1, *size), 1e4 * random(1, *size).float()):
        given = {"lr_physical": degrade(hr), "degrade": degrade}
        assert_finite_at_extremes(Consistency(norm=norm), *size, **given)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"norm": "l3"}, "loss.consistency.term.norm is 'l3'; it must be one of l1, l2."),
        ({"reach": -1}, "loss.consistency.term.reach is -1; it must be 0 or more LR"),
    ],
    ids=str,
)
def test_arguments_that_make_no_sense_are_refused(changed, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        Consistency(**changed)
