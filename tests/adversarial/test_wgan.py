import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import wasserstein_distance

from srlab.adversarial import WGAN

values = arrays(np.float64, (2, 1, 3, 2), elements=st.floats(-5, 5))


@settings(max_examples=25, deadline=None)
@given(fake=values, real=values, shift=st.floats(-100, 100))
def test_discriminator_loss_is_the_difference_of_means(fake, real, shift):
    expected = fake.mean() - real.mean()
    heads = (torch.tensor(fake + shift),), (torch.tensor(real + shift),)
    assert WGAN().discriminator_loss(*heads).item() == pytest.approx(expected, abs=1e-10)
    assert WGAN().generator_loss(*heads).item() == pytest.approx(-(fake + shift).mean(), abs=1e-10)


@settings(max_examples=25, deadline=None)
@given(
    fake=arrays(np.float64, 8, elements=st.floats(0, 1)),
    real=arrays(np.float64, 8, elements=st.floats(2, 3)),
)
def test_best_critic_finds_the_wasserstein_distance(fake, real):
    # where all that is real exceeds all that is fake, the best critic of slope 1 is the identity
    loss = WGAN().discriminator_loss((torch.tensor(fake),), (torch.tensor(real),))
    assert -loss.item() == pytest.approx(wasserstein_distance(fake, real))


def test_equal_logits_cost_nothing():
    logits = (torch.randn(4, 1), torch.randn(2, 1, 5, 6))
    assert WGAN().discriminator_loss(logits, logits).item() == 0
