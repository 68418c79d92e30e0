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

SMALL = [SSIM(window=3), MSSSIM(levels=2, window=3)]
both = pytest.mark.parametrize("term", SMALL, ids=lambda term: type(term).__name__)


def pair(*size, noise=0.1):
    hr = random(*size)
    return hr + noise * (random(*size, seed=1) - 0.5), hr


def one_minus_ssim_of_skimage(sr, hr, data_range):
    settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    scores = [
        structural_similarity(
            s.numpy(), h.numpy(), data_range=data_range, channel_axis=0, **settings
        )
        for s, h in zip(sr, hr, strict=True)
    ]
    return pytest.approx(1 - sum(scores) / len(scores))


@pytest.mark.parametrize("data_range", [1.0, 10_000.0])
@pytest.mark.parametrize("size", [(2, 3, 16, 18), (1, 2, 12, 13, 12)], ids=str)
def test_ssim_loss_is_one_minus_that_of_skimage(size, data_range):
    sr, hr = pair(*size, noise=0.5)
    expected = one_minus_ssim_of_skimage(data_range * sr, data_range * hr, data_range)
    assert (
        SSIM()(data_range * sr, data_range * hr, context(data_range=data_range)).item() == expected
    )


def test_training_compares_in_physical_units_and_takes_hidden_pixels_for_equal():
    sr, hr = pair(2, 1, 16, 18, noise=0.5)
    valid = half_hidden(sr.shape)
    seen = (torch.where(valid, 200 * image + 50, 0.0) for image in (sr, hr))
    expected = one_minus_ssim_of_skimage(*seen, 255.0)
    got = value(
        SSIM(),
        sr,
        torch.where(valid, hr, torch.nan),
        valid=valid,
        data_range=255.0,
        denormalise=lambda image: 200 * image + 50,
    )
    assert got.item() == expected


def test_ms_ssim_loss_is_one_minus_the_weighted_product_of_torchmetrics():
    sr, hr = pair(2, 2, 92, 88, noise=1.0)
    weights, arguments = (0.0448, 0.2856, 0.3001, 0.2363), {"data_range": 1.0, "reduction": "none"}
    weights = [weight / sum(weights) for weight in weights]
    expected, images = torch.ones(4), [image.reshape(4, 1, 92, 88) for image in (sr, hr)]
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
    assert term(sr, hr, context()) > 1.5 * term(sr, hr, context(data_range=10.0))
    torch.testing.assert_close(
        term(50 * sr, 50 * hr, context(data_range=50.0)), term(sr, hr, context())
    )


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
        (SSIM(window=3), (1, 2, 4, 5)),
        (SSIM(window=3), (1, 1, 3, 4, 3)),
        (MSSSIM(levels=2, window=3), (1, 1, 6, 7)),
        (MSSSIM(levels=2, window=[1, 3, 3]), (1, 1, 2, 6, 6)),
    ],
    ids=str,
)
def test_gradient_is_the_derivative(term, size):
    assert_gradient_is_derivative(term, *size)


def test_gradient_is_the_derivative_where_a_level_is_negative():
    hr = random(1, 1, 6, 7)
    sr = (1 - hr).requires_grad_()
    assert torch.autograd.gradcheck(lambda sr: MSSSIM(levels=2, window=3)(sr, hr, context()), sr)


@both
@pytest.mark.parametrize("size", [(2, 2, 6, 8), (1, 1, 6, 7, 8)], ids=str)
def test_extreme_images_leave_value_and_gradient_finite(term, size):
    assert_finite_at_extremes(term, *size)


def test_ms_ssim_leads_out_of_opposed_structure():
    """From a negative of HR, past levels of zero, towards HR: the loss falls all the way, with a slope at each step."""
    texture = random(1, 1, 12, 12).float() - 0.5
    losses = []
    for share in torch.linspace(-0.9, 0.9, 73):
        share = share.clone().requires_grad_()
        loss = MSSSIM(levels=2, window=3)(share * texture + 0.5, texture + 0.5, context())
        loss.backward()
        assert -50 < share.grad < -1e-4
        losses.append(loss.item())
    assert losses == sorted(losses, reverse=True)
    assert 0.9 < losses[0] < 1


@pytest.mark.parametrize(
    ("term", "message"),
    [
        (
            SSIM(),
            "windows of (11, 11) pixels; got an image of (8, 64). Give larger images, or set a smaller window",
        ),
        (
            MSSSIM(),
            "needs images of at least (88, 88); got (8, 64). Give larger images, or set fewer levels",
        ),
    ],
    ids=["ssim", "ms_ssim"],
)
def test_small_images_are_refused(term, message):
    image = torch.zeros(1, 1, 8, 64)
    with pytest.raises(ValueError, match=re.escape(message)):
        term(image, image, context())
