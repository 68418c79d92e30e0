import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

from srlab.adversarial import BCE

HEADS = [[(4, 1)], [(2, 1, 5, 6)], [(4, 1), (2, 1, 5, 6), (2, 1, 3, 4, 5)]]
heads = pytest.mark.parametrize("shapes", HEADS, ids=len)


def logits(shapes, seed):
    generator = torch.Generator().manual_seed(seed)
    return tuple(
        5 * torch.randn(shape, dtype=torch.float64, generator=generator) for shape in shapes
    )


def against(heads, target):
    """The cross-entropy to one target, averaged within each head and then over heads."""
    return sum(cross_entropy(head, torch.full_like(head, target)) for head in heads) / len(heads)


@heads
def test_generator_loss_calls_the_fake_real(shapes):
    fake, real = logits(shapes, 0), logits(shapes, 1)
    torch.testing.assert_close(BCE().generator_loss(fake, real), against(fake, 1.0))


@heads
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_discriminator_loss_tells_real_from_fake(shapes, smoothing):
    fake, real = logits(shapes, 0), logits(shapes, 1)
    expected = against(real, 1 - smoothing) + against(fake, 0.0)
    torch.testing.assert_close(
        BCE(label_smoothing=smoothing).discriminator_loss(fake, real), expected
    )


@settings(max_examples=50, deadline=None)
@given(value=st.floats(-30, 30), smoothing=st.floats(0, 0.9))
def test_smoothing_leaves_the_generator_side_alone(value, smoothing):
    fake = (torch.full((1, 1), value, dtype=torch.float64),)
    torch.testing.assert_close(
        BCE(label_smoothing=smoothing).generator_loss(fake, fake), against(fake, 1.0)
    )


def test_each_head_counts_the_same_whatever_its_size():
    small, large = torch.zeros(1, 1), torch.full((1, 1, 50, 50), 3.0)
    expected = (
        cross_entropy(small, torch.ones(1, 1)) + cross_entropy(large, torch.ones_like(large))
    ) / 2
    torch.testing.assert_close(BCE().generator_loss((small, large), (small, large)), expected)


@heads
def test_each_side_pulls_in_its_own_direction(shapes):
    fake, real = (tuple(head.requires_grad_() for head in logits(shapes, seed)) for seed in (0, 1))
    for head in torch.autograd.grad(BCE().generator_loss(fake, real), fake):
        assert (head < 0).all()  # descent raises the logits of the fake
    by_fake, by_real = (
        torch.autograd.grad(BCE().discriminator_loss(fake, real), side, retain_graph=True)
        for side in (fake, real)
    )
    assert all((head > 0).all() for head in by_fake)
    assert all((head < 0).all() for head in by_real)


def test_smoothed_optimum_is_the_smoothed_label():
    # d/dx of (1-s)·softplus(-x) + s·softplus(x) is zero where sigmoid(x) = 1 - s
    optimum = torch.logit(torch.tensor([0.9], dtype=torch.float64)).requires_grad_()
    loss = BCE(label_smoothing=0.1).discriminator_loss(
        (torch.zeros(1, dtype=torch.float64),), (optimum,)
    )
    torch.testing.assert_close(
        torch.autograd.grad(loss, optimum)[0], torch.zeros(1, dtype=torch.float64)
    )


@pytest.mark.parametrize("confident", [-1e4, 1e4])
def test_confident_logits_stay_finite(confident):
    head = torch.full((2, 1), confident).requires_grad_()
    for loss in (
        BCE().generator_loss((head,), (head,)),
        BCE(label_smoothing=0.1).discriminator_loss((head,), (head,)),
    ):
        assert loss.isfinite()
        assert torch.autograd.grad(loss, head)[0].isfinite().all()


def test_generator_starts_with_a_gradient_where_the_discriminator_is_sure():
    # the non-saturating form: the slope of -log D is -1 where D is 0
    head = torch.full((1, 1), -50.0).requires_grad_()
    torch.testing.assert_close(
        torch.autograd.grad(BCE().generator_loss((head,), (head,)), head)[0], torch.tensor([[-1.0]])
    )


@pytest.mark.parametrize("smoothing", [-0.1, 1.0, 2, float("nan")])
def test_smoothing_must_leave_a_label(smoothing):
    message = f"label_smoothing is {smoothing}; it must be at least 0 and below 1."
    with pytest.raises(ValueError, match=re.escape(message)):
        BCE(label_smoothing=smoothing)
