"""Properties of every adversarial objective."""

from functools import partial
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from srlab.adversarial import BCE, LSGAN, WGAN, Hinge, Relativistic

OBJECTIVES = [
    BCE(label_smoothing=0.1),
    Relativistic(label_smoothing=0.1),
    Hinge(),
    LSGAN(label_smoothing=0.1),
    WGAN(),
]
MAP = (2, 1, 64, 64)
SHAPES = [(2, 1), (2, 1, 4, 5), (2, 1, 2, 3, 4)]
every = pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda value: type(value).__name__)
sides = pytest.mark.parametrize("side", ["generator_loss", "discriminator_loss"])


def logits(shapes, seed):
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(shape, dtype=torch.float64, generator=generator) for shape in shapes)


def each(heads, function):
    return tuple(function(head) for head in heads)


@every
def test_extreme_logits_stay_finite(objective):
    for side in ["generator_loss", "discriminator_loss"]:
        dtypes, extremes = (torch.float16, torch.bfloat16, torch.float32), (-1e4, 0.0, 1e4)
        for dtype, low, high in product(dtypes, extremes, extremes):
            fake, real = (
                each(SHAPES, partial(torch.full, fill_value=value, dtype=dtype, requires_grad=True))
                for value in (low, high)
            )
            loss = getattr(objective, side)(fake, real)
            assert loss.dtype == torch.float32
            assert loss.isfinite()
            for gradient in torch.autograd.grad(loss, (*fake, *real), allow_unused=True):
                assert gradient is None or gradient.isfinite().all()


@every
def test_half_precision_loses_only_what_the_logits_lost(objective):
    for side in ["generator_loss", "discriminator_loss"]:
        # means that half precision cannot represent, over many values
        shifted = [1.001 * shift + logits([MAP], seed)[0] for seed, shift in enumerate((3, 5))]
        for dtype in (torch.float16, torch.bfloat16):
            fake, real = ((head.to(dtype),) for head in shifted)
            exact = getattr(objective, side)((fake[0].double(),), (real[0].double(),))
            loss = getattr(objective, side)(fake, real)
            torch.testing.assert_close(loss.double(), exact, rtol=1e-5, atol=1e-5)


@every
def test_each_head_counts_the_same_whatever_its_size(objective):
    for side in ["generator_loss", "discriminator_loss"]:
        fake, real = logits(SHAPES, 0), logits(SHAPES, 1)
        loss = getattr(objective, side)(fake, real)
        assert loss.dtype == torch.float64
        alone = [getattr(objective, side)((a,), (b,)) for a, b in zip(fake, real, strict=True)]
        torch.testing.assert_close(loss, torch.stack(alone).mean())


@every
def test_each_side_pulls_in_its_own_direction(objective):
    # between the targets of all objectives, 0 and 1
    fake, real = (each(logits(SHAPES, seed), torch.sigmoid) for seed in (0, 1))
    for head in (*fake, *real):
        head.requires_grad_()
    for head in torch.autograd.grad(objective.generator_loss(fake, real), fake):
        assert head.sum() < 0  # descent raises the logits of the fake
    loss = objective.discriminator_loss(fake, real)
    on_fake, on_real = (torch.autograd.grad(loss, side, retain_graph=True) for side in (fake, real))
    assert all(head.sum() > 0 for head in on_fake)
    assert all(head.sum() < 0 for head in on_real)


@every
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6), size=st.sampled_from([1e-3, 1.0, 30.0]))
def test_realness_is_a_share_for_each_logit_and_rises_with_it(objective, seed, size):
    fake = each(logits(SHAPES, seed), lambda head: size * head)
    real = each(logits(SHAPES, seed + 1), lambda head: size * head)
    realness = objective.realness(fake, real)
    for head, shares in zip((*fake, *real), (*realness[0], *realness[1]), strict=True):
        assert shares.shape == head.shape
        assert 0 <= shares.min() <= shares.max() <= 1
        assert (shares.flatten()[head.flatten().argsort()].diff() >= 0).all()


@every
def test_realness_tells_whether_a_discriminator_is_right(objective):
    for right in [True, False]:
        low = each(logits(SHAPES, 0), lambda head: -0.5 + 0.1 * head.tanh())
        high = each(low, lambda head: head + 2)
        fake, real = objective.realness(*((low, high) if right else (high, low)))
        assert all(((head < 0.5) == right).all() for head in fake)
        assert all(((head > 0.5) == right).all() for head in real)


REALNESS = {
    "BCE": lambda x, other: expit(x),
    "Hinge": lambda x, other: np.interp(x, [-1, 1], [0, 1]),
    "LSGAN": lambda x, other: np.interp(x, [0, 1], [0, 1]),
    "Relativistic": lambda x, other: expit(x - other.mean()),
    "WGAN": lambda x, other: expit(x - x.mean() / 2 - other.mean() / 2),
}


@every
def test_realness_matches_the_formula(objective):
    formula, heads = REALNESS[type(objective).__name__], (logits(SHAPES, 0), logits(SHAPES, 1))
    realness = objective.realness(*heads)
    for (of_fake, of_real), *pair in zip(zip(*realness, strict=True), *heads, strict=True):
        fake, real = (head.numpy() for head in pair)
        np.testing.assert_allclose(of_fake, formula(fake, real), rtol=1e-12)
        np.testing.assert_allclose(of_real, formula(real, fake), rtol=1e-12)


def test_only_the_critic_without_a_zero_is_relative():
    assert [type(objective) for objective in OBJECTIVES if objective.relative] == [WGAN]
