import re

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from srlab.losses import L1, L2, Context, WeightedLoss

REFERENCES = {L1: F.l1_loss, L2: F.mse_loss}
SIZES = [(2, 3, 6, 5), (1, 1, 4, 4), (2, 2, 3, 4, 5)]
both = pytest.mark.parametrize("term", REFERENCES)


def random(*size, seed=0):
    return torch.rand(size, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def context(valid=None, **changed):
    none = torch.zeros(1)
    values = {"lr": none, "lr_physical": none, "valid_count": None, "step": 0, "data_range": 1.0}
    values |= {"degrade": lambda hr: hr, "denormalise": lambda x: x}
    return Context(valid=valid, **{**values, **changed})


def single(term, weight=1.0):
    return WeightedLoss({"term": {"weight": weight, "term": term}})


class Constant(nn.Module):
    """A term that returns a scalar, and says what it saw."""

    def __init__(self, value=7.0):
        super().__init__()
        self.value, self.seen = value, []

    def forward(self, sr, hr, context):
        self.seen.append((sr, hr, context))
        return self.value + 0 * sr.sum()


@both
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_mean_of_the_map_matches_torch(term, size):
    sr, hr = random(*size), random(*size, seed=1)
    result = term()(sr, hr, context())
    assert result.shape == sr.shape
    torch.testing.assert_close(result.mean(), REFERENCES[term](sr, hr))
    torch.testing.assert_close(single(term())(sr, hr, context()).total, REFERENCES[term](sr, hr))


@both
def test_gradient_matches_torch(term):
    hr = random(2, 3, 4, 5, seed=1)
    ours, theirs = random(2, 3, 4, 5).requires_grad_(), random(2, 3, 4, 5).requires_grad_()
    single(term(), 3.0)(ours, hr, context()).total.backward()
    (3 * REFERENCES[term](theirs, hr)).backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


@settings(max_examples=25, deadline=None)
@given(weights=st.lists(st.floats(0, 100), min_size=1, max_size=4))
def test_total_is_the_weighted_sum_of_the_terms(weights):
    sr, hr = random(2, 3, 4, 5), random(2, 3, 4, 5, seed=1)
    kinds = [L1(), L2(), Constant(0.25), Constant(-2.0)][: len(weights)]
    values = [F.l1_loss(sr, hr).item(), F.mse_loss(sr, hr).item(), 0.25, -2.0][: len(weights)]
    loss = WeightedLoss(
        {
            f"t{i}": {"weight": w, "term": t}
            for i, (w, t) in enumerate(zip(weights, kinds, strict=True))
        }
    )
    result = loss(sr, hr, context())
    assert result.total.item() == pytest.approx(
        sum(w * v for w, v in zip(weights, values, strict=True))
    )
    assert [result.terms[f"t{i}"].item() for i in range(len(weights))] == pytest.approx(values)


def test_contributions_are_for_the_log_and_carry_no_gradient():
    result = single(L1())(
        random(1, 1, 2, 2).requires_grad_(), random(1, 1, 2, 2, seed=1), context()
    )
    assert result.total.requires_grad
    assert not result.terms["term"].requires_grad


def halves(size):
    """Images whose last columns are hidden, and the visible part by itself."""
    sr, hr = random(*size), random(*size, seed=1)
    valid = torch.ones(size[0], 1, *size[2:], dtype=torch.bool)
    valid[..., -2:] = False
    return sr, hr, valid


@both
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("fill", [0.0, 1e30, torch.nan, torch.inf])
def test_hidden_pixels_change_neither_value_nor_gradient(term, size, fill):
    sr, hr, valid = halves(size)
    hr = torch.where(valid, hr, fill)
    alone = sr[..., :-2].clone().requires_grad_()
    expected = REFERENCES[term](alone, hr[..., :-2])
    expected.backward()

    masked = sr.clone().requires_grad_()
    result = single(term())(masked, hr, context(valid))
    result.total.backward()
    torch.testing.assert_close(result.total, expected.detach())
    torch.testing.assert_close(result.terms["term"], expected.detach())
    torch.testing.assert_close(masked.grad[..., :-2], alone.grad)
    assert torch.equal(masked.grad[..., -2:], torch.zeros_like(masked.grad[..., -2:]))


@both
def test_valid_pixels_weigh_the_same_in_every_image(term):
    sr, hr = random(2, 3, 4, 4), random(2, 3, 4, 4, seed=1)
    valid = torch.zeros(2, 1, 4, 4, dtype=torch.bool)
    valid[0, 0, 0, 0] = True
    valid[1, 0, 1:] = True
    seen = (
        torch.cat([sr[0, :, 0, 0], sr[1, :, 1:].flatten()]),
        torch.cat([hr[0, :, 0, 0], hr[1, :, 1:].flatten()]),
    )
    torch.testing.assert_close(
        single(term())(sr, hr, context(valid)).total, REFERENCES[term](*seen)
    )


@both
def test_batch_without_valid_pixels_counts_for_nothing(term):
    sr, hr = (
        random(2, 3, 4, 4).requires_grad_(),
        torch.full((2, 3, 4, 4), torch.nan, dtype=torch.float64),
    )
    result = single(term(), 100.0)(sr, hr, context(torch.zeros(2, 1, 4, 4, dtype=torch.bool)))
    result.total.backward()
    assert result.total.item() == 0
    assert torch.equal(sr.grad, torch.zeros_like(sr))


def test_other_terms_see_hidden_pixels_equal_and_finite():
    sr, hr, valid = halves((1, 2, 4, 6))
    term = Constant()
    single(term)(sr, torch.where(valid, hr, torch.nan), context(valid))
    seen_sr, seen_hr, _ = term.seen[0]
    assert torch.equal(seen_sr[..., -2:], seen_hr[..., -2:])
    assert seen_hr.isfinite().all()
    assert torch.equal(seen_sr[..., :-2], sr[..., :-2])
    assert torch.equal(seen_hr[..., :-2], hr[..., :-2])


@pytest.mark.parametrize(("share", "expected"), [(None, 14.0), (0.5, 14.0), (0.0, 0.0)])
def test_scalar_is_taken_as_it_is_unless_nothing_is_valid(share, expected):
    sr, hr, valid = halves((1, 2, 4, 6))
    mask = {None: None, 0.5: valid, 0.0: torch.zeros_like(valid)}[share]
    assert single(Constant(7.0), 2.0)(sr, hr, context(mask)).total.item() == expected


@both
@pytest.mark.parametrize("masked", [(True, True), (True, False), (False, False)])
def test_mean_over_micro_batches_is_that_over_all_valid_pixels(term, masked):
    """Of parts with different numbers of valid pixels, as on several ranks."""
    pairs = [(random(2, 3, 4, 5, seed=seed), random(2, 3, 4, 5, seed=seed + 10)) for seed in (0, 1)]
    masks = [
        torch.rand(2, 1, 4, 5, generator=torch.Generator().manual_seed(i)) < 0.3 + 0.4 * i
        for i in (0, 1)
    ]
    masks = [
        mask if has else torch.ones_like(mask) for mask, has in zip(masks, masked, strict=True)
    ]
    seen = [
        torch.cat(
            [
                pair[which].movedim(1, -1)[mask[:, 0]]
                for pair, mask in zip(pairs, masks, strict=True)
            ]
        )
        for which in (0, 1)
    ]
    count = torch.stack([mask.sum() for mask in masks]).float().mean()
    parts = [
        single(term())(*pair, context(mask if has else None, valid_count=count)).total
        for pair, mask, has in zip(pairs, masks, masked, strict=True)
    ]
    torch.testing.assert_close(torch.stack(parts).mean(), REFERENCES[term](*seen))


def test_term_starts_late_and_warms_up():
    term = Constant(3.0)
    entry = {"weight": 2.0, "start_step": 10, "warmup": "linear", "warmup_steps": 4, "term": term}
    loss = WeightedLoss({"late": entry, "l1": {"weight": 0.0, "term": L1()}})
    sr, hr = random(1, 1, 4, 4), random(1, 1, 4, 4, seed=1)
    values = {step: loss(sr, hr, context(step=step)) for step in (0, 9, 10, 11, 14, 99)}
    totals = {step: value.total.item() for step, value in values.items()}
    assert totals == pytest.approx({0: 0, 9: 0, 10: 0, 11: 1.5, 14: 6, 99: 6})
    assert "late" not in values[9].terms
    assert len(term.seen) == 4  # what has not started is not computed
    assert values[11].terms["late"].item() == 3
    assert values[11].weighted["late"].item() == pytest.approx(1.5)
    assert values[0].terms["l1"].item() == pytest.approx(F.l1_loss(sr, hr).item())


def test_term_stops():
    loss = WeightedLoss(
        {"l1": {"weight": 1.0, "stop_step": 5, "term": L1()}, "late": {"weight": 0, "term": L2()}}
    )
    sr, hr = random(1, 1, 4, 4), random(1, 1, 4, 4, seed=1)
    assert [("l1" in loss(sr, hr, context(step=step)).terms) for step in (0, 4, 5, 9)] == [
        True,
        True,
        False,
        False,
    ]
    assert loss(sr, hr, context(step=5)).total.item() == 0
    with pytest.raises(
        ValueError,
        match="starts after 3 updates and stops after 3; give a later stop_step, or null",
    ):
        WeightedLoss({"l1": {"weight": 1.0, "start_step": 3, "stop_step": 3, "term": L1()}})


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_terms_compute_in_float32_under_autocast(dtype):
    term = Constant()
    sr, hr = random(1, 1, 4, 4).to(dtype).requires_grad_(), random(1, 1, 4, 4, seed=1).to(dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = single(term)(sr, hr, context())
    assert {image.dtype for image in term.seen[0][:2]} == {torch.float32}
    assert result.total.dtype == torch.float32
    result.total.backward()
    assert sr.grad.dtype == dtype


@pytest.mark.parametrize(
    "entry", [{"term": L1()}, {"weight": 1.0}, {"weight": 1.0, "term": L1(), "wait": 3}]
)
def test_entry_with_other_keys_is_refused(entry):
    with pytest.raises(
        ValueError, match=r"loss\.l1 has .*; it needs weight and term, and may have start_step"
    ):
        WeightedLoss({"l1": entry})


@pytest.mark.parametrize("masked", [False, True])
def test_only_physical_terms_see_physical_units(masked):
    sr, hr, valid = halves((1, 2, 4, 6))
    physical, network = Constant(), Constant()
    physical.space = "physical"
    loss = WeightedLoss({"p": {"weight": 1, "term": physical}, "n": {"weight": 1, "term": network}})
    circumstances = context(valid if masked else None, denormalise=lambda image: 1000 * image + 7)
    loss(sr, hr, circumstances)
    shown = slice(None, -2) if masked else slice(None)
    for got, image in zip(physical.seen[0][:2], (sr, hr), strict=True):
        torch.testing.assert_close(got[..., shown], (1000 * image + 7)[..., shown])
    for got, image in zip(network.seen[0][:2], (sr, hr), strict=True):
        assert torch.equal(got[..., shown], image[..., shown])
    if masked:
        assert torch.equal(physical.seen[0][0][..., -2:], physical.seen[0][1][..., -2:])
    assert physical.seen[0][2] is circumstances


def test_physical_map_has_the_error_in_physical_units():
    term = L1()
    term.space = "physical"
    sr, hr = random(1, 1, 4, 4), random(1, 1, 4, 4, seed=1)
    result = single(term)(sr, hr, context(denormalise=lambda image: 250 * image - 3))
    torch.testing.assert_close(result.total, 250 * F.l1_loss(sr, hr))


def test_loss_needs_a_term():
    with pytest.raises(
        ValueError, match=re.escape("the loss has no terms; choose at least one, as loss=[l1].")
    ):
        WeightedLoss({})


def test_parameters_of_terms_are_the_losses_own():
    term = nn.Linear(2, 3)
    assert set(single(term).parameters()) == set(term.parameters())
