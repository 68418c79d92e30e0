import re

import numpy as np
import pytest
import torch

from srlab.adversarial import feature_matching

SHAPES = [(2, 3, 6, 5), (2, 8, 3, 2), (2, 4, 2, 3, 2)]


def features(seed):
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(shape, dtype=torch.float64, generator=generator) for shape in SHAPES)


def test_matches_the_formula():
    fake, real = features(0), features(1)
    pairs = zip(fake, real, strict=True)
    expected = np.mean([np.abs(a.numpy() - b.numpy()).mean() for a, b in pairs])
    assert feature_matching(fake, real).item() == pytest.approx(expected)


def test_equal_features_cost_nothing_and_pull_nowhere():
    fake = tuple(layer.requires_grad_() for layer in features(0))
    loss = feature_matching(fake, features(0))
    assert loss.item() == 0
    for gradient in torch.autograd.grad(loss, fake):
        assert torch.equal(gradient, torch.zeros_like(gradient))


def test_real_features_are_targets():
    fake, real = features(0), features(1)
    for layer in (*fake, *real):
        layer.requires_grad_()
    feature_matching(fake, real).backward()
    assert all(layer.grad.abs().sum() > 0 for layer in fake)
    assert all(layer.grad is None for layer in real)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_averaged_in_float32(dtype):
    # the distance of -6e4 from 6e4 is more than float16 holds, and so is the sum of 2e5 of them
    fake = torch.full((2, 4, 160, 160), 6e4, dtype=dtype).requires_grad_()
    loss = feature_matching((fake,), (-fake,))
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(2 * fake[0, 0, 0, 0].item(), rel=1e-5)
    assert torch.autograd.grad(loss, fake)[0].isfinite().all()


def test_gradient_matches_finite_differences():
    fake, real = (features(seed)[1:] for seed in (0, 1))
    layers = tuple(layer.requires_grad_() for layer in fake)
    assert torch.autograd.gradcheck(lambda a, b: feature_matching((a, b), real), layers)


def test_discriminator_must_have_features():
    message = "no features to match; set adversarial.feature_matching=0 or choose another one."
    with pytest.raises(ValueError, match=re.escape(message)):
        feature_matching((), ())
