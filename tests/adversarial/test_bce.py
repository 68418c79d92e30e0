import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

from srlab.adversarial import BCE

SHAPES = [(4, 1), (2, 1, 5, 6), (2, 1, 3, 4, 5)]


def logits(seed):
    generator = torch.Generator().manual_seed(seed)
    return tuple(
        5 * torch.randn(shape, dtype=torch.float64, generator=generator) for shape in SHAPES
    )


def against(heads, target):
    """The cross-entropy to one target, averaged within each head and then over heads."""
    return sum(cross_entropy(head, torch.full_like(head, target)) for head in heads) / len(heads)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_each_side_is_the_cross_entropy_to_its_targets(smoothing):
    fake, real = logits(0), logits(1)
    expected = against(real, 1 - smoothing) + against(fake, 0.0)
    objective = BCE(label_smoothing=smoothing)
    torch.testing.assert_close(objective.discriminator_loss(fake, real), expected)
    torch.testing.assert_close(objective.generator_loss(fake, real), against(fake, 1.0))


@settings(max_examples=25, deadline=None)
@given(value=st.floats(-30, 30), smoothing=st.floats(0, 0.9))
def test_smoothing_leaves_the_generator_side_alone(value, smoothing):
    fake = (torch.full((1, 1), value, dtype=torch.float64),)
    loss = BCE(label_smoothing=smoothing).generator_loss(fake, fake)
    torch.testing.assert_close(loss, against(fake, 1.0))


def test_each_logit_is_pulled_in_its_sides_direction():
    fake, real = logits(0), logits(1)
    for head in (*fake, *real):
        head.requires_grad_()
    for head in torch.autograd.grad(BCE().generator_loss(fake, real), fake):
        assert (head < 0).all()  # descent raises the logits of the fake
    loss = BCE().discriminator_loss(fake, real)
    by_fake, by_real = (torch.autograd.grad(loss, side, retain_graph=True) for side in (fake, real))
    assert all((head > 0).all() for head in by_fake)
    assert all((head < 0).all() for head in by_real)


def test_smoothed_optimum_is_the_smoothed_label():
    # d/dx of (1-s)·softplus(-x) + s·softplus(x) is zero where sigmoid(x) = 1 - s
    optimum = torch.logit(torch.tensor([0.9], dtype=torch.float64)).requires_grad_()
    fake = (torch.zeros(1, dtype=torch.float64),)
    loss = BCE(label_smoothing=0.1).discriminator_loss(fake, (optimum,))
    (gradient,) = torch.autograd.grad(loss, optimum)
    torch.testing.assert_close(gradient, torch.zeros(1, dtype=torch.float64))


def test_generator_starts_with_a_gradient_where_the_discriminator_is_sure():
    # the non-saturating form: the slope of -log D is -1 where D is 0
    head = torch.full((1, 1), -50.0).requires_grad_()
    (gradient,) = torch.autograd.grad(BCE().generator_loss((head,), (head,)), head)
    torch.testing.assert_close(gradient, torch.tensor([[-1.0]]))


def test_smoothing_must_leave_a_label():
    for smoothing in [-0.1, 1.0, float("nan")]:
        message = f"label_smoothing is {smoothing}; it must be at least 0 and below 1."
        with pytest.raises(ValueError, match=re.escape(message)):
            BCE(label_smoothing=smoothing)
