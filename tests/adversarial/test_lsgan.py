import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from srlab.adversarial import LSGAN

values = arrays(np.float64, (2, 1, 3, 2), elements=st.floats(-5, 5))


@settings(max_examples=25, deadline=None)
@given(fake=values, real=values, smoothing=st.floats(0, 0.9))
def test_matches_the_formula(fake, real, smoothing):
    heads = (torch.tensor(fake),), (torch.tensor(real),)
    expected = ((real - (1 - smoothing)) ** 2).mean() / 2 + (fake**2).mean() / 2
    objective = LSGAN(label_smoothing=smoothing)
    assert objective.discriminator_loss(*heads).item() == pytest.approx(expected)
    assert objective.generator_loss(*heads).item() == pytest.approx(((fake - 1) ** 2).mean() / 2)


@pytest.mark.parametrize("smoothing", [0.0, 0.25])
def test_rests_at_its_targets(smoothing):
    objective = LSGAN(label_smoothing=smoothing)
    fake = torch.zeros(3, 1).requires_grad_()
    real = torch.full((3, 1), 1 - smoothing).requires_grad_()
    loss = objective.discriminator_loss((fake,), (real,))
    assert loss.item() == 0
    for gradient in torch.autograd.grad(loss, (fake, real)):
        assert torch.equal(gradient, torch.zeros(3, 1))
    assert objective.generator_loss((torch.ones(3, 1),), (real,)).item() == 0


def test_smoothing_must_leave_a_label():
    with pytest.raises(ValueError, match="it must be at least 0 and below 1"):
        LSGAN(label_smoothing=1.0)
