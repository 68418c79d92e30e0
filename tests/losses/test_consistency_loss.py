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


@each_norm
@pytest.mark.parametrize(
    ("size", "scale"),
    [((2, 3, 8, 12), [2, 2]), ((1, 1, 8, 8), [1, 4]), ((1, 2, 3, 8, 8), [1, 4, 4])],
    ids=str,
)
def test_image_that_degrades_to_lr_is_consistent(norm, size, scale):
    hr = 10_000 * random(*size)
    degrade = Bicubic(scale=scale, spatial_dims=len(scale))
    given = {"lr_physical": degrade(hr), "degrade": degrade, "data_range": 10_000.0}
    assert value(Consistency(norm=norm), hr, random(*size, seed=1), **given) == 0
    assert value(Consistency(norm=norm), hr + 100, hr, **given).item() == pytest.approx(
        NORMS[norm](0.01)
    )


@each_norm
@pytest.mark.parametrize("data_range", [1.0, 255.0])
def test_matches_cells_averaged_by_numpy(norm, data_range):
    sr, lr = 255 * random(2, 3, 4, 6), 255 * random(2, 3, 2, 3, seed=1)
    expected = NORMS[norm]((blocks_mean(sr.numpy(), 2) - lr.numpy()) / data_range).mean()
    term = Consistency(norm=norm)
    result = term(
        sr, torch.zeros_like(sr), context(lr_physical=lr, degrade=halve, data_range=data_range)
    )
    assert result.shape == ()
    assert result.item() == pytest.approx(expected)


def test_sr_is_degraded_in_physical_units():
    sr, lr = random(1, 2, 4, 4), 100 * random(1, 2, 2, 2, seed=1)
    given = {"lr_physical": lr, "data_range": 100.0, "degrade": lambda hr: halve(hr).square()}
    expected = np.abs(blocks_mean(100 * sr.numpy() + 7, 2) ** 2 - lr.numpy()).mean() / 100
    result = value(Consistency(), sr, sr, denormalise=lambda image: 100 * image + 7, **given)
    assert result.item() == pytest.approx(expected)


@settings(max_examples=40, deadline=None)
@given(
    hidden=st.tuples(st.integers(0, 11), st.integers(0, 15)),
    wrong=st.tuples(st.integers(0, 5), st.integers(0, 7)),
    reach=st.integers(0, 3),
)
def test_lr_pixels_within_reach_of_a_hidden_one_do_not_count(hidden, wrong, reach):
    """One LR pixel is wrong by 1; it tells of itself if the hidden pixel's cell is further than the reach."""
    valid = torch.ones(1, 1, 12, 16, dtype=torch.bool)
    valid[0, 0, hidden[0], hidden[1]] = False
    lr = torch.zeros(1, 2, 6, 8)
    lr[0, :, wrong[0], wrong[1]] = 1.0
    cell = hidden[0] // 2, hidden[1] // 2
    away = [max(abs(y - cell[0]), abs(x - cell[1])) for y, x in np.ndindex(6, 8)]
    count = sum(distance > reach for distance in away)
    distance = max(abs(wrong[0] - cell[0]), abs(wrong[1] - cell[1]))
    result = value(
        Consistency(reach=reach),
        torch.zeros(1, 2, 12, 16),
        torch.zeros(1, 2, 12, 16),
        valid=valid,
        lr_physical=lr,
        degrade=halve,
    )
    assert result.item() == pytest.approx(1 / count if distance > reach else 0.0)


@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize("fill", [0.0, 1e6])
def test_hidden_pixels_do_not_enter_by_bicubic_shrinking(scale, fill):
    """LR knew what hides behind the mask; SR, zero there, is consistent with all LR pixels that count."""
    hr = random(2, 2, 10 * scale, 12 * scale)
    valid = torch.ones(2, 1, *hr.shape[2:], dtype=torch.bool)
    valid[0, 0, 4 * scale : 4 * scale + 3, 5 * scale - 1] = False
    valid[1, 0, :, : 2 * scale + 1] = False
    degrade = Bicubic(scale=scale)
    given = {
        "lr_physical": degrade(torch.where(valid, hr, fill)),
        "degrade": degrade,
        "valid": valid,
    }
    assert value(Consistency(), hr, hr, **given).item() == pytest.approx(0, abs=1e-12)
    assert value(Consistency(), hr + 0.25, hr, **given).item() == pytest.approx(0.25)
    if fill:
        assert value(Consistency(reach=0), hr, hr, **given) > 1


def test_half_hidden_equals_the_visible_half():
    sr, lr = random(2, 3, 6, 8), random(2, 3, 3, 4, seed=1)
    valid = torch.ones(2, 1, 6, 8, dtype=torch.bool)
    valid[..., 4:] = False
    alone = sr[..., :4].clone().requires_grad_()
    expected = value(Consistency(), alone, alone.detach(), lr_physical=lr[..., :2], degrade=halve)
    expected.backward()
    masked = sr.clone().requires_grad_()
    term = Consistency(reach=0)  # cells averaged look at nothing beyond
    result = value(
        term, masked, torch.full_like(sr, torch.nan), lr_physical=lr, degrade=halve, valid=valid
    )
    result.backward()
    torch.testing.assert_close(result, expected)
    torch.testing.assert_close(masked.grad[..., :4], alone.grad)
    assert not masked.grad[..., 4:].any()


def test_no_lr_pixel_beyond_reach_counts_for_nothing():
    sr = random(1, 1, 8, 8).requires_grad_()
    valid = torch.ones(1, 1, 8, 8, dtype=torch.bool)
    valid[..., 4, 4] = False
    result = value(
        Consistency(),
        sr,
        sr.detach(),
        lr_physical=torch.ones(1, 1, 4, 4),
        degrade=halve,
        valid=valid,
    )
    result.backward()
    assert result == 0
    assert not sr.grad.any()


def test_channels_name_the_lr_counterparts_of_sr():
    sr, lr = random(1, 2, 4, 4), random(1, 5, 2, 2, seed=1)
    expected = value(Consistency(), sr, sr, lr_physical=lr[:, [3, 0]], degrade=halve)
    result = value(Consistency(channels=[4, 1]), sr, sr, lr_physical=lr, degrade=halve)
    assert result == expected > 0


@pytest.mark.parametrize(
    ("channels", "said"),
    [(None, [1, 2, 3]), ([1], [1]), ([1, 4], [1, 4]), ([0, 1], [0, 1])],
    ids=str,
)
def test_channels_without_a_counterpart_are_refused(channels, said):
    message = (
        f"loss=consistency compares LR channels {said} of 3 with 2 SR channels; name one LR channel for each SR "
        "channel by loss.consistency.term.channels=."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        value(
            Consistency(channels=channels),
            random(1, 2, 4, 4),
            random(1, 2, 4, 4),
            lr_physical=random(1, 3, 2, 2),
            degrade=halve,
        )


def test_degradation_to_another_size_is_refused():
    message = (
        "the degradation made (1, 1, 4, 4) of SR, but LR is (1, 1, 2, 2); choose the degradation and scale by which "
        "LR came from HR, or leave consistency out of loss=."
    )
    sr = random(1, 1, 8, 8)
    with pytest.raises(ValueError, match=re.escape(message)):
        value(Consistency(), sr, sr, lr_physical=random(1, 1, 2, 2), degrade=halve)


def test_degradation_without_gradient_is_refused_in_training_alone():
    message = (
        "loss=consistency cannot train through this degradation, which passes no gradient; choose a differentiable "
        "one, as degradation=bicubic, or leave consistency out of loss=."
    )
    sr = random(1, 1, 4, 4)
    given = {"lr_physical": random(1, 1, 2, 2), "degrade": lambda hr: halve(hr).detach()}
    assert value(Consistency(), sr, sr, **given) > 0
    with pytest.raises(ValueError, match=re.escape(message)):
        value(Consistency(), sr.clone().requires_grad_(), sr, **given)


@each_norm
@pytest.mark.parametrize("dims", [2, 3])
def test_gradient_is_the_derivative(norm, dims):
    lr = random(1, 1, *[2] * dims, seed=2)
    for reach in (0, 2):
        term = Consistency(norm=norm, reach=reach)
        assert_gradient_is_derivative(term, 1, 1, *[4] * dims, lr_physical=lr, degrade=halve)


@each_norm
@pytest.mark.parametrize("dims", [2, 3])
def test_finite_at_extremes(norm, dims):
    size = (2, 2, *[12] * (dims - 1), 24)
    degrade = Bicubic(scale=2, spatial_dims=dims)
    for lr in (torch.zeros(2, 2, *[6] * (dims - 1), 12), degrade(1e4 * random(*size).float())):
        assert_finite_at_extremes(Consistency(norm=norm), *size, lr_physical=lr, degrade=degrade)


def test_unknown_norm_is_refused():
    with pytest.raises(
        ValueError, match=re.escape("loss.consistency.term.norm is 'l3'; it must be one of l1, l2.")
    ):
        Consistency(norm="l3")


def test_negative_reach_is_refused():
    with pytest.raises(
        ValueError, match=re.escape("loss.consistency.term.reach is -1; it must be 0 or more LR")
    ):
        Consistency(reach=-1)
