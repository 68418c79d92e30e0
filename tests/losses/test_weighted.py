import re

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from term_checks import context, half_hidden, random, value, weighted
from torch import nn

from srlab.losses import L1, L2, WeightedLoss, WeightedTerm

REFERENCES = {L1: F.l1_loss, L2: F.mse_loss}
SIZE = (2, 3, 6, 8)
both = pytest.mark.parametrize("term", REFERENCES)


class Constant(nn.Module):
    """A term that returns a scalar, and keeps the images and the context it saw."""

    def __init__(self, value=7.0):
        super().__init__()
        self.value, self.seen = value, []

    def forward(self, sr, hr, context):
        self.seen.append((sr, hr, context))
        return self.value + 0 * sr.sum()


def pair(*size):
    return random(*size), random(*size, seed=1)


@both
@pytest.mark.parametrize("size", [SIZE, (1, 2, 3, 4, 5)], ids=str)
def test_map_is_averaged_as_in_torch(term, size):
    hr = random(*size, seed=1)
    ours, theirs = random(*size).requires_grad_(), random(*size).requires_grad_()
    result = weighted(term(), 3.0)(ours, hr, context())
    expected = REFERENCES[term](theirs, hr)
    result.total.backward()
    (3 * expected).backward()
    torch.testing.assert_close(result.terms["term"], expected.detach())
    torch.testing.assert_close(ours.grad, theirs.grad)


@settings(max_examples=15, deadline=None)
@given(weights=st.lists(st.floats(0, 100), min_size=1, max_size=4))
def test_total_is_the_weighted_sum_of_the_terms(weights):
    sr, hr = pair(*SIZE)
    terms = [L1(), L2(), Constant(0.25), Constant(-2.0)][: len(weights)]
    values = [F.l1_loss(sr, hr).item(), F.mse_loss(sr, hr).item(), 0.25, -2.0][: len(weights)]
    named = zip("abcd", terms, weights, strict=False)
    loss = WeightedLoss({name: WeightedTerm(term, weight) for name, term, weight in named})
    result = loss(sr, hr, context())
    shares = [weight * value for weight, value in zip(weights, values, strict=True)]
    assert result.total.item() == pytest.approx(sum(shares))
    assert [value.item() for value in result.terms.values()] == pytest.approx(values)
    assert [value.item() for value in result.weighted.values()] == pytest.approx(shares)


def test_contributions_are_for_the_log_and_carry_no_gradient():
    sr, hr = pair(1, 1, 2, 2)
    result = weighted(L1())(sr.requires_grad_(), hr, context())
    assert result.total.requires_grad
    assert not result.terms["term"].requires_grad
    assert not result.weighted["term"].requires_grad


@both
def test_valid_pixels_weigh_the_same_in_every_image(term):
    sr, hr = pair(2, 3, 4, 4)
    valid = torch.zeros(2, 1, 4, 4, dtype=torch.bool)
    valid[0, 0, 0, 0] = True
    valid[1, 0, 1:] = True
    seen = (image.movedim(1, -1)[valid[:, 0]] for image in (sr, hr))
    torch.testing.assert_close(value(term(), sr, hr, valid=valid), REFERENCES[term](*seen))


@both
def test_batch_without_valid_pixels_counts_for_nothing(term):
    sr, hr = random(*SIZE).requires_grad_(), torch.full(SIZE, torch.nan, dtype=torch.float64)
    valid = torch.zeros_like(half_hidden(SIZE))
    result = value(term(), sr, hr, valid=valid)
    result.backward()
    assert result == 0
    assert torch.equal(sr.grad, torch.zeros_like(sr))


def test_terms_see_hidden_pixels_equal_and_finite():
    sr, hr = pair(*SIZE)
    term, valid = Constant(), half_hidden(SIZE)
    value(term, sr, torch.where(valid, hr, torch.nan), valid=valid)
    seen_sr, seen_hr, _ = term.seen[0]
    assert torch.equal(seen_sr[..., 4:], seen_hr[..., 4:])
    assert seen_hr.isfinite().all()
    assert torch.equal(seen_sr[..., :4], sr[..., :4])
    assert torch.equal(seen_hr[..., :4], hr[..., :4])


def test_scalar_is_taken_as_it_is_unless_nothing_is_valid():
    sr, hr = pair(*SIZE)
    for valid in (None, half_hidden(SIZE)):
        assert value(Constant(7.0), sr, hr, valid=valid) == 7
    assert value(Constant(7.0), sr, hr, valid=torch.zeros_like(half_hidden(SIZE))) == 0


@both
def test_mean_over_micro_batches_is_that_over_all_valid_pixels(term):
    """Parts have different numbers of valid pixels, as on several ranks."""
    for masked in [(True, True), (True, False), (False, False)]:
        seen, parts, masks = [], [], []
        for number, has_mask in enumerate(masked):
            mask = torch.ones(2, 1, 4, 5, dtype=torch.bool)
            if has_mask:
                mask = random(2, 1, 4, 5, seed=number) < 0.3 + 0.4 * number
            masks.append(mask)
        count = torch.stack([mask.sum() for mask in masks]).float().mean()
        for number, (has_mask, mask) in enumerate(zip(masked, masks, strict=True)):
            images = [random(2, 3, 4, 5, seed=seed + number) for seed in (10, 20)]
            seen.append(torch.stack([image.movedim(1, -1)[mask[:, 0]] for image in images]))
            valid = mask if has_mask else None
            parts.append(value(term(), *images, valid=valid, valid_count=count))
        torch.testing.assert_close(torch.stack(parts).mean(), REFERENCES[term](*torch.cat(seen, 1)))


def test_term_starts_late_and_warms_up():
    term = Constant(3.0)
    late = WeightedTerm(term, 2.0, start_step=10, warmup="linear", warmup_steps=4)
    loss = WeightedLoss({"late": late, "l1": WeightedTerm(L1(), 0.0)})
    sr, hr = pair(1, 1, 4, 4)
    values = {step: loss(sr, hr, context(step=step)) for step in (0, 9, 10, 11, 14, 99)}
    totals = {step: value.total.item() for step, value in values.items()}
    assert totals == pytest.approx({0: 0, 9: 0, 10: 0, 11: 1.5, 14: 6, 99: 6})
    assert "late" not in values[9].terms
    assert len(term.seen) == 4  # before its start it is not computed
    assert values[11].terms["late"].item() == 3
    assert values[11].weighted["late"].item() == pytest.approx(1.5)
    assert values[0].terms["l1"].item() == pytest.approx(F.l1_loss(sr, hr).item())


def test_term_stops():
    loss = WeightedLoss({"l1": WeightedTerm(L1(), 1.0, stop_step=5), "l2": WeightedTerm(L2(), 0)})
    sr, hr = pair(1, 1, 4, 4)
    counted = ["l1" in loss(sr, hr, context(step=step)).terms for step in (0, 4, 5, 9)]
    assert counted == [True, True, False, False]
    assert loss(sr, hr, context(step=5)).total.item() == 0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_terms_compute_in_float32_under_autocast(dtype):
    plain, physical = Constant(), Constant()
    physical.space = "physical"
    sr, hr = (image.to(dtype) for image in pair(1, 1, 4, 4))
    sr.requires_grad_()
    terms = {"a": WeightedTerm(plain, 1.0), "b": WeightedTerm(physical, 1.0)}
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = WeightedLoss(terms)(sr, hr, context(hr_physical=hr))
    for term in (plain, physical):
        assert {image.dtype for image in term.seen[0][:2]} == {torch.float32}
    assert result.total.dtype == torch.float32
    result.total.backward()
    assert sr.grad.dtype == dtype


@pytest.mark.parametrize("masked", [False, True])
def test_only_physical_terms_see_physical_units(masked):
    """SR is denormalised; HR is the batch's own, and not made anew from the network's range."""
    sr, hr = pair(*SIZE)
    own, valid = 50 + random(*SIZE, seed=2), half_hidden(SIZE)
    physical, network = Constant(), Constant()
    physical.space = "physical"
    loss = WeightedLoss({"p": WeightedTerm(physical, 1), "n": WeightedTerm(network, 1)})
    given = context(
        valid=valid if masked else None,
        denormalise=lambda image: 1000 * image + 7,
        hr_physical=torch.where(valid, own, torch.nan) if masked else own,
    )
    loss(sr, hr, given)
    shown = valid.expand(SIZE) if masked else slice(None)
    for term, images in ((physical, (1000 * sr + 7, own)), (network, (sr, hr))):
        for got, image in zip(term.seen[0][:2], images, strict=True):
            assert torch.equal(got[shown], image[shown])
            assert got.isfinite().all()
    if masked:
        assert torch.equal(physical.seen[0][0][..., 4:], physical.seen[0][1][..., 4:])
    assert physical.seen[0][2] is given


def test_physical_map_has_the_error_in_physical_units():
    term = L1()
    term.space = "physical"
    sr, hr = pair(1, 1, 4, 4)
    got = value(term, sr, hr, denormalise=lambda image: 250 * image - 3)
    torch.testing.assert_close(got, 250 * F.l1_loss(sr, hr))


def test_parameters_of_terms_are_the_losses_own():
    term = nn.Linear(2, 3)
    assert set(weighted(term).parameters()) == set(term.parameters())


def test_loss_needs_a_term():
    message = "the loss has no terms; choose at least one, such as loss=[l1]."
    with pytest.raises(ValueError, match=re.escape(message)):
        WeightedLoss({})


@pytest.mark.parametrize("entry", [{"term": L1(), "weight": 1.0}, L1()], ids=["dict", "term"])
def test_entry_of_another_kind_is_refused_by_its_name(entry):
    message = (
        f"loss.l1 is of type {type(entry).__name__}; give it a weight, a term and _target_: "
        "srlab.losses.WeightedTerm."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        WeightedLoss({"ssim": WeightedTerm(L1(), 1.0), "l1": entry})


@pytest.mark.parametrize("weight", [-1.0, float("inf"), float("nan")])
def test_weight_is_finite_and_not_negative(weight):
    with pytest.raises(ValueError, match=f"has weight {weight}; give a finite number >= 0"):
        WeightedTerm(L1(), weight)


def test_stop_comes_after_start():
    message = "starts after 3 updates and stops after 3; give a later stop_step, or null"
    with pytest.raises(ValueError, match=message):
        WeightedTerm(L1(), 1.0, start_step=3, stop_step=3)
