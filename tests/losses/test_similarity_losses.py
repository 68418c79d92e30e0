import re

import pytest
import torch
from skimage.metrics import structural_similarity
from term_checks import (
    assert_finite_at_extremes,
    assert_gradient_is_derivative,
    context,
    half_hidden,
    random,
    value,
)
from torch.nn import functional as F
from torchmetrics.functional.image import structural_similarity_index_measure

from srlab.losses.similarity import MSSSIM, SSIM

both = pytest.mark.parametrize(
    "term", [SSIM(window=3), MSSSIM(levels=2, window=3)], ids=lambda term: type(term).__name__
)


def pair(*size, noise=0.1):
    hr = random(*size)
    return hr + noise * (random(*size, seed=1) - 0.5), hr


def one_minus_ssim_of_skimage(sr, hr, data_range):
    scores = [
        structural_similarity(
            s.numpy(),
            h.numpy(),
            data_range=data_range,
            channel_axis=0,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
        for s, h in zip(sr, hr, strict=True)
    ]
    return pytest.approx(1 - sum(scores) / len(scores))


@pytest.mark.parametrize("size", [(2, 3, 16, 18), (1, 2, 12, 13, 12)], ids=str)
def test_ssim_loss_is_one_minus_that_of_skimage(size):
    sr, hr = (10_000 * image for image in pair(*size, noise=0.5))
    expected = one_minus_ssim_of_skimage(sr, hr, 10_000.0)
    assert SSIM()(sr, hr, context(data_range=10_000.0)).item() == expected


def test_training_compares_in_physical_units_and_takes_hidden_pixels_for_equal():
    sr, hr = pair(2, 1, 16, 18, noise=0.5)
    valid = half_hidden(sr.shape)
    seen = (torch.where(valid, 200 * image + 50, 0.0) for image in (sr, hr))
    expected = one_minus_ssim_of_skimage(*seen, 255.0)
    given = {"valid": valid, "data_range": 255.0, "denormalise": lambda image: 200 * image + 50}
    assert value(SSIM(), sr, torch.where(valid, hr, torch.nan), **given).item() == expected


def test_ms_ssim_loss_is_one_minus_the_weighted_product_of_torchmetrics():
    sr, hr = pair(2, 1, 92, 88, noise=1.0)
    weights, arguments = (0.0448, 0.2856, 0.3001, 0.2363), {"data_range": 1.0, "reduction": "none"}
    weights = [weight / sum(weights) for weight in weights]
    expected, images = 1.0, (sr, hr)
    for weight in weights[:-1]:
        _, contrast = structural_similarity_index_measure(
            *images, **arguments, return_contrast_sensitivity=True
        )
        expected = expected * contrast**weight
        images = [F.avg_pool2d(image, 2) for image in images]
    _, similarity = structural_similarity_index_measure(
        *images, **arguments, return_full_image=True
    )
    inside = similarity[..., 5:-5, 5:-5].flatten(1).mean(dim=1)
    expected = expected * inside ** weights[-1]
    torch.testing.assert_close(MSSSIM(levels=4)(sr, hr, context()), 1 - expected.mean())


def test_one_level_is_ssim():
    sr, hr = pair(1, 2, 13, 12)
    torch.testing.assert_close(MSSSIM(levels=1)(sr, hr, context()), SSIM()(sr, hr, context()))


@both
def test_data_range_is_the_full_scale(term):
    sr, hr = pair(1, 1, 8, 8, noise=0.5)
    plain = term(sr, hr, context())
    assert plain > 1.5 * term(sr, hr, context(data_range=10.0))
    torch.testing.assert_close(term(50 * sr, 50 * hr, context(data_range=50.0)), plain)


@both
def test_equal_images_cost_nothing_and_stay(term):
    sr = random(2, 2, 8, 9).float().requires_grad_()
    loss = term(sr, sr.detach().clone(), context())
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(sr.grad, torch.zeros_like(sr))


@pytest.mark.parametrize(
    ("term", "size"),
    [
        (SSIM(window=3), (1, 1, 3, 4, 3)),
        (MSSSIM(levels=2, window=3), (1, 1, 6, 7)),
        (MSSSIM(levels=2, window=[1, 3, 3]), (1, 1, 2, 6, 6)),
    ],
    ids=["ssim", "ms_ssim", "frames"],
)
def test_gradient_is_the_derivative(term, size):
    assert_gradient_is_derivative(term, *size)


def test_gradient_is_the_derivative_where_a_level_is_negative():
    hr, term = random(1, 1, 6, 7), MSSSIM(levels=2, window=3)
    sr = (1 - hr).requires_grad_()
    assert torch.autograd.gradcheck(lambda sr: term(sr, hr, context()), sr, fast_mode=True)


@both
def test_extreme_images_leave_value_and_gradient_finite(term):
    assert_finite_at_extremes(term, 1, 6, 8)


def test_ms_ssim_leads_out_of_opposed_structure():
    """From a negative of HR to HR itself the loss falls at every step, past levels of zero."""
    texture = random(1, 1, 12, 12).float() - 0.5
    losses = []
    for share in torch.linspace(-0.9, 0.9, 37):
        share = share.clone().requires_grad_()
        loss = MSSSIM(levels=2, window=3)(share * texture + 0.5, texture + 0.5, context())
        loss.backward()
        assert -50 < share.grad < -1e-4
        losses.append(loss.item())
    assert losses == sorted(losses, reverse=True)
    assert 0.9 < losses[0] < 1


def test_small_images_are_refused():
    image = torch.zeros(1, 1, 8, 64)
    with pytest.raises(ValueError, match=re.escape("windows of (11, 11) pixels; got an image of")):
        SSIM()(image, image, context())
    with pytest.raises(ValueError, match=re.escape("needs images of at least (88, 88); got (8, 6")):
        MSSSIM()(image, image, context())
