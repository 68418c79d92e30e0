"""What holds for every adversarial objective."""

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from srlab.adversarial.bce import BCE
from srlab.adversarial.hinge import Hinge
from srlab.adversarial.lsgan import LSGAN
from srlab.adversarial.relativistic import Relativistic
from srlab.adversarial.wgan import WGAN

OBJECTIVES = [
    BCE(),
    BCE(label_smoothing=0.1),
    Relativistic(),
    Relativistic(label_smoothing=0.1),
    Hinge(),
    LSGAN(),
    LSGAN(label_smoothing=0.1),
    WGAN(),
]
MAP = (2, 1, 64, 64)
SHAPES = [(2, 1), (2, 1, 4, 5), (2, 1, 2, 3, 4)]
every = pytest.mark.parametrize(
    "objective", OBJECTIVES, ids=lambda o: f"{type(o).__name__}{vars(o) and '*'}"
)
sides = pytest.mark.parametrize("side", ["generator_loss", "discriminator_loss"])


def logits(shapes, seed, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return tuple(
        torch.randn(shape, dtype=torch.float64, generator=generator).to(dtype) for shape in shapes
    )


@every
@sides
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_extreme_logits_stay_finite(objective, side, dtype):
    for values in product([-1e4, 0.0, 1e4], repeat=2):
        fake, real = (
            tuple(torch.full(shape, value, dtype=dtype).requires_grad_() for shape in SHAPES)
            for value in values
        )
        loss = getattr(objective, side)(fake, real)
        assert loss.dtype == torch.float32
        assert loss.isfinite()
        for gradient in torch.autograd.grad(loss, (*fake, *real), allow_unused=True):
            assert gradient is None or gradient.isfinite().all()


@every
@sides
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_loses_only_what_the_logits_lost(objective, side, dtype):
    # means that half precision cannot represent, over many values
    fake, real = (
        ((1.001 * k + head).to(dtype),)
        for k, (head,) in ((3, logits([MAP], 0)), (5, logits([MAP], 1)))
    )
    exact = getattr(objective, side)(
        *(tuple(head.double() for head in kind) for kind in (fake, real))
    )
    loss = getattr(objective, side)(fake, real)
    torch.testing.assert_close(loss.double(), exact, rtol=1e-5, atol=1e-5)


@every
@sides
def test_double_precision_stays(objective, side):
    assert getattr(objective, side)(logits(SHAPES, 0), logits(SHAPES, 1)).dtype == torch.float64


@every
@sides
def test_each_head_counts_the_same_whatever_its_size(objective, side):
    heads = [
        (logits([shape], seed), logits([shape], seed + 9)) for seed, shape in enumerate(SHAPES)
    ]
    alone = [getattr(objective, side)(*head).item() for head in heads]
    fake, real = zip(*[(fake[0], real[0]) for fake, real in heads], strict=True)
    assert getattr(objective, side)(fake, real).item() == pytest.approx(sum(alone) / len(alone))


@every
@sides
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_the_order_of_a_batch_does_not_matter(objective, side, seed):
    fake, real = logits(SHAPES[1:2], seed), logits(SHAPES[1:2], seed + 1)
    turned = getattr(objective, side)((fake[0].flip(0, 2),), (real[0].flip(0, 2),))
    torch.testing.assert_close(turned, getattr(objective, side)(fake, real))


@every
def test_each_side_pulls_in_its_own_direction(objective):
    # between the targets of all objectives, 0 and 1
    fake, real = (
        tuple(head.sigmoid().requires_grad_() for head in logits(SHAPES, seed)) for seed in (0, 1)
    )
    for head in torch.autograd.grad(objective.generator_loss(fake, real), fake):
        assert head.sum() < 0  # descent raises the logits of the fake
    loss = objective.discriminator_loss(fake, real)
    on_fake, on_real = (torch.autograd.grad(loss, side, retain_graph=True) for side in (fake, real))
    assert all(head.sum() > 0 for head in on_fake)
    assert all(head.sum() < 0 for head in on_real)


@every
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), size=st.sampled_from([1e-3, 1.0, 30.0]))
def test_realness_is_a_share_for_each_logit_and_rises_with_it(objective, seed, size):
    fake, real = (tuple(size * head for head in logits(SHAPES, seed + kind)) for kind in (0, 1))
    for given_, taken in zip((fake, real), objective.realness(fake, real), strict=True):
        for head, shares in zip(given_, taken, strict=True):
            assert shares.shape == head.shape
            assert 0 <= shares.min() <= shares.max() <= 1
            assert (shares.flatten()[head.flatten().argsort()].diff() >= 0).all()


@every
@pytest.mark.parametrize("right", [True, False])
def test_realness_tells_whether_a_discriminator_is_right(objective, right):
    low, high = (
        tuple(target + 0.1 * head.tanh() for head in logits(SHAPES, 0)) for target in (-0.5, 1.5)
    )
    fake, real = objective.realness(*((low, high) if right else (high, low)))
    assert all(((head < 0.5) == right).all() for head in fake)
    assert all(((head > 0.5) == right).all() for head in real)


@pytest.mark.parametrize(
    ("objective", "expected"),
    [
        (BCE(), lambda fake, real: (expit(fake), expit(real))),
        (
            Hinge(),
            lambda fake, real: (np.interp(fake, [-1, 1], [0, 1]), np.interp(real, [-1, 1], [0, 1])),
        ),
        (
            LSGAN(),
            lambda fake, real: (np.interp(fake, [0, 1], [0, 1]), np.interp(real, [0, 1], [0, 1])),
        ),
        (Relativistic(), lambda fake, real: (expit(fake - real.mean()), expit(real - fake.mean()))),
        (
            WGAN(),
            lambda fake, real: tuple(
                expit(x - fake.mean() / 2 - real.mean() / 2) for x in (fake, real)
            ),
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_realness_matches_the_formula(objective, expected):
    heads = logits(SHAPES, 0), logits(SHAPES, 1)
    for head, (fake, real) in enumerate(zip(*heads, strict=True)):
        for taken, wanted in zip(
            objective.realness(*heads), expected(fake.numpy(), real.numpy()), strict=True
        ):
            np.testing.assert_allclose(taken[head], wanted, rtol=1e-12)


@every
@sides
def test_gradient_matches_finite_differences(objective, side):
    fake, real = (
        tuple(head.requires_grad_() for head in logits([(2, 1), (2, 1, 2, 2)], seed))
        for seed in (0, 1)
    )
    torch.autograd.gradcheck(
        lambda a, b, c, d: getattr(objective, side)((a, b), (c, d)),
        (*fake, *real),
        check_undefined_grad=False,
    )
