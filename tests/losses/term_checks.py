"""Properties that every loss term has, checked by the tests of single terms."""

import torch

from srlab.losses import Context, WeightedLoss, WeightedTerm


def random(*size, seed=0):
    return torch.rand(size, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def context(**changed):
    values = {
        "lr": torch.zeros(1),
        "lr_physical": torch.zeros(1),
        "hr_physical": torch.zeros(1),
        "valid": None,
        "valid_count": None,
        "step": 0,
        "data_range": 1.0,
        "degrade": lambda hr: hr,
        "denormalise": lambda image: image,
    }
    return Context(**{**values, **changed})


def weighted(term, weight=1.0):
    return WeightedLoss({"term": WeightedTerm(term=term, weight=weight)})


def value(term, sr, hr, *, denormalise=lambda image: image, **changed):
    """The term in training: physical where it wants, hidden pixels zeroed, a map averaged."""
    circumstances = context(hr_physical=denormalise(hr), denormalise=denormalise, **changed)
    return weighted(term)(sr, hr, circumstances).total


def half_hidden(size):
    """A mask that hides the last columns."""
    valid = torch.ones(size[0], 1, *size[2:], dtype=torch.bool)
    valid[..., size[-1] // 2 :] = False
    return valid


def scattered(size, seed=5):
    """A mask that hides pixels here and there."""
    return random(size[0], 1, *size[2:], seed=seed) > 0.3


def extremes(*size):
    """SR and HR, one pair an image, at which a careless term is not finite."""
    image, other = random(*size).float(), random(*size, seed=1).float()
    zeros = torch.zeros(size)
    spike = zeros.clone()
    spike[..., 1, 1] = 1e4
    pairs = {
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
    }
    return [torch.cat(images) for images in zip(*pairs.values(), strict=True)]


def assert_finite_at_extremes(term, *size, lr_physical=None, **changed):
    """Value and gradient are finite at each extreme, and no gradient reaches hidden pixels.

    `size` and `lr_physical` are of one image.
    """
    image, other = random(2, *size).float(), random(2, *size, seed=1).float()
    other[1] = image[1]
    halves = [(image.to(dtype), other.to(dtype)) for dtype in (torch.float16, torch.bfloat16)]
    for sr, hr in (extremes(1, *size), *halves):
        if lr_physical is not None:
            changed["lr_physical"] = lr_physical.expand(len(sr), *lr_physical.shape[1:])
        mask = half_hidden(sr.shape)
        nothing = torch.zeros_like(mask)
        for valid, data_range in ((None, 1.0), (mask, 1e4), (mask, 1.0), (nothing, 1.0)):
            sr = sr.detach().clone().requires_grad_()
            result = value(term, sr, hr, valid=valid, data_range=data_range, **changed)
            result.backward()
            assert result.isfinite()
            assert sr.grad.isfinite().all()
            if valid is not None:
                assert not sr.grad[~valid.expand_as(sr)].any()


def assert_gradient_is_derivative(term, *size, **changed):
    """Along a random direction, with and without hidden pixels."""
    sr, hr = random(*size).requires_grad_(), random(*size, seed=1)
    for valid in (None, scattered(size)):
        given = {"valid": valid, **changed}
        assert torch.autograd.gradcheck(
            lambda image, given=given: value(term, image, hr, **given), sr, fast_mode=True
        )


def assert_half_hidden_equals_visible_half(term, *size, **changed):
    """Value and gradient, whatever hides behind the mask."""
    sr, hr, valid = random(*size), random(*size, seed=1), half_hidden(size)
    shown = slice(None, size[-1] // 2)
    alone = sr[..., shown].clone().requires_grad_()
    expected = value(term, alone, hr[..., shown], **changed)
    expected.backward()
    assert expected > 0
    for fill in (-1e30, torch.nan, torch.inf):
        masked = sr.clone().requires_grad_()
        result = value(term, masked, torch.where(valid, hr, fill), valid=valid, **changed)
        result.backward()
        torch.testing.assert_close(result, expected)
        torch.testing.assert_close(masked.grad[..., shown], alone.grad)
        assert not masked.grad[..., size[-1] // 2 :].any()
