"""What the tests of single loss terms share."""

import torch

from srlab.losses import Context, WeightedLoss


def random(*size, seed=0):
    return torch.rand(size, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def context(**changed):
    values = {
        "lr": torch.zeros(1),
        "lr_physical": torch.zeros(1),
        "valid": None,
        "valid_count": None,
        "step": 0,
        "data_range": 1.0,
        "degrade": lambda hr: hr,
        "denormalise": lambda image: image,
    }
    return Context(**{**values, **changed})


def value(term, sr, hr, **changed):
    """The term as training sees it: hidden pixels zeroed, a map averaged."""
    return WeightedLoss({"term": {"weight": 1.0, "term": term}})(sr, hr, context(**changed)).total


def half_hidden(size):
    """A mask that hides the last columns."""
    valid = torch.ones(size[0], 1, *size[2:], dtype=torch.bool)
    valid[..., size[-1] // 2 :] = False
    return valid


def scattered(size, seed=5):
    """A mask that hides pixels here and there."""
    return random(size[0], 1, *size[2:], seed=seed) > 0.3


def extremes(*size):
    """Pairs of SR and HR at which a careless term is not finite, by name."""
    image, other = random(*size).float(), random(*size, seed=1).float()
    zeros = torch.zeros(size)
    spike = zeros.clone()
    spike[..., 1, 1] = 1e4
    return {
        "zeros": (zeros, zeros),
        "zero sr": (zeros, other),
        "zero hr": (image, zeros),
        "constants": (zeros + 0.3, zeros + 0.7),
        "same constant": (zeros + 0.3, zeros + 0.3),
        "spike": (spike, zeros),
        "spikes": (spike, spike),
        "unnormalised": (1e4 * image, 1e4 * other),
        "same": (image, image.clone()),
        "parallel": (1.5 * image, image),
        "opposite": (-image, image),
        "tiny": (1e-30 * image, 1e-30 * other),
        "subnormal": (1e-42 * image, other),
        "float16": (image.half(), other.half()),
        "bfloat16": (image.bfloat16(), other.bfloat16()),
        "same in float16": (image.half(), image.half()),
    }


def assert_finite_at_extremes(term, *size, **changed):
    for name, (sr, hr) in extremes(*size).items():
        for valid in (None, half_hidden(size), torch.zeros_like(half_hidden(size))):
            for data_range in (1.0, 1e4):
                sr = sr.detach().clone().requires_grad_()
                result = value(term, sr, hr, valid=valid, data_range=data_range, **changed)
                result.backward()
                assert result.isfinite(), name
                assert sr.grad.isfinite().all(), name
                if valid is not None:
                    assert not sr.grad[~valid.expand_as(sr)].any(), name


def assert_gradient_is_derivative(term, *size, **changed):
    sr, hr = random(*size).requires_grad_(), random(*size, seed=1)
    for valid in (None, scattered(size)):
        assert torch.autograd.gradcheck(
            lambda image, valid=valid: value(term, image, hr, valid=valid, **changed), sr
        )


def assert_half_hidden_equals_visible_half(term, *size, **changed):
    """Value and gradient, whatever hides behind the mask."""
    sr, hr, valid = random(*size), random(*size, seed=1), half_hidden(size)
    shown = slice(None, size[-1] // 2)
    alone = sr[..., shown].clone().requires_grad_()
    expected = value(term, alone, hr[..., shown], **changed)
    expected.backward()
    assert expected > 0
    for fill in (0.0, -1e30, torch.nan, torch.inf):
        masked = sr.clone().requires_grad_()
        result = value(term, masked, torch.where(valid, hr, fill), valid=valid, **changed)
        result.backward()
        torch.testing.assert_close(result, expected)
        torch.testing.assert_close(masked.grad[..., shown], alone.grad)
        assert not masked.grad[..., size[-1] // 2 :].any()
