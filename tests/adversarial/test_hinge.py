import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from srlab.adversarial import Hinge

values = arrays(np.float64, (2, 1, 3, 2), elements=st.floats(-5, 5))


@settings(max_examples=25, deadline=None)
@given(fake=values, real=values)
def test_matches_the_formula(fake, real):
    heads = (torch.tensor(fake),), (torch.tensor(real),)
    # the negative of V_D = E min(0, D(x) - 1) + E min(0, -1 - D(G(z)))
    expected = -np.minimum(0, real - 1).mean() - np.minimum(0, -1 - fake).mean()
    assert Hinge().discriminator_loss(*heads).item() == pytest.approx(expected)
    assert Hinge().generator_loss(*heads).item() == pytest.approx(-fake.mean())


@pytest.mark.parametrize("margin", [1.0, 1.5, 1e4])
def test_beyond_the_margin_the_discriminator_is_content(margin):
    fake = torch.full((2, 1), -margin).requires_grad_()
    real = torch.full((2, 1), margin).requires_grad_()
    loss = Hinge().discriminator_loss((fake,), (real,))
    assert loss.item() == 0
    for gradient in torch.autograd.grad(loss, (fake, real)):
        assert torch.equal(gradient, torch.zeros(2, 1))


def test_undecided_discriminator_loses_both_margins():
    undecided = (torch.zeros(4, 1, dtype=torch.float64),)
    assert Hinge().discriminator_loss(undecided, undecided).item() == 2


@pytest.mark.parametrize("logit", [-100.0, 0.0, 100.0])
def test_generator_is_pulled_alike_wherever_it_stands(logit):
    fake = torch.full((4, 1), logit).requires_grad_()
    (gradient,) = torch.autograd.grad(Hinge().generator_loss((fake,), (fake.detach(),)), fake)
    torch.testing.assert_close(gradient, torch.full((4, 1), -1 / 4))
