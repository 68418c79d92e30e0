import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from torch.nn import functional as F
from torchmetrics.functional.image import (
    multiscale_structural_similarity_index_measure,
    structural_similarity_index_measure,
)

from srlab.nn.similarity import ms_ssim_levels, ms_ssim_product, ssim_map

WANG_2003 = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


def pair(*size, seed=0, noise=0.1, data_range=1.0):
    """A smooth HR and a noisy SR of it in float64, in ``[0, data_range]`` but for the noise."""
    given = {"generator": torch.Generator().manual_seed(seed), "dtype": torch.float64}
    axes = [torch.linspace(0, 3, length, dtype=torch.float64) for length in size[2:]]
    waves = sum(torch.sin(2 * wave) for wave in torch.meshgrid(*axes, indexing="ij"))
    hr = 0.5 + 0.5 * waves / len(axes) + 0.05 * torch.rand(size, **given)
    sr = hr + noise * torch.randn(size, **given)
    return data_range * sr, data_range * hr


def torchmetrics_map(sr, hr, data_range):
    """Without the windows that torchmetrics lets reach over a reflected border."""
    _, full = structural_similarity_index_measure(
        sr, hr, data_range=data_range, reduction="none", return_full_image=True
    )
    return full[(..., *[slice(5, -5)] * (sr.ndim - 2))]


def torchmetrics_contrast(sr, hr, data_range):
    """The mean contrast-structure factor of the windows inside each image."""
    return structural_similarity_index_measure(
        sr, hr, data_range=data_range, reduction="none", return_contrast_sensitivity=True
    )[1]


@pytest.mark.parametrize(
    ("size", "data_range", "noise"),
    [
        ((2, 3, 14, 17), 1.0, 0.02),
        ((1, 1, 11, 30), 10_000.0, 0.5),
        ((1, 1, 11, 11, 12), 10_000.0, 0.5),
    ],
    ids=str,
)
def test_maps_match_torchmetrics_inside_the_image(size, data_range, noise):
    sr, hr = pair(*size, noise=noise, data_range=data_range)
    similarity, contrast = ssim_map(sr, hr, data_range=data_range)
    torch.testing.assert_close(similarity, torchmetrics_map(sr, hr, data_range))
    expected = torchmetrics_contrast(sr, hr, data_range)
    torch.testing.assert_close(contrast.flatten(1).mean(1), expected)


@pytest.mark.parametrize("offset", [0.0, 300.0, -20_000.0])
def test_float32_is_accurate_for_any_range_and_offset(offset):
    sr, hr = pair(1, 2, 24, 26, noise=0.05, data_range=10.0)
    sr, hr = (image.float() + offset for image in (sr, hr))
    expected = torchmetrics_map(sr.double(), hr.double(), 10.0)
    similarity, _ = ssim_map(sr, hr, data_range=10.0)
    torch.testing.assert_close(similarity.double(), expected, atol=2e-5, rtol=0)


def equation_13(x, y, data_range):
    """One window as large as the images, with Gaussian weights that sum to one."""
    weights = np.ones(())
    for side in x.shape:
        weights = np.multiply.outer(weights, norm.pdf(np.arange(side) - side // 2, scale=1.5))
    weights /= weights.sum()
    mean_x, mean_y = (weights * x).sum(), (weights * y).sum()
    variances = (weights * (x - mean_x) ** 2).sum() + (weights * (y - mean_y) ** 2).sum()
    covariance = (weights * (x - mean_x) * (y - mean_y)).sum()
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    contrast = (2 * covariance + c2) / (variances + c2)
    return (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1) * contrast, contrast


def windows_by_equation_13(sr, hr):
    """The mean of SSIM and of its contrast over all windows of 3 pixels a side."""
    found = []
    for start in np.ndindex(*(length - 2 for length in sr.shape[2:])):
        window = (0, 0, *(slice(place, place + 3) for place in start))
        found.append(equation_13(sr[window].numpy(), hr[window].numpy(), 1.0))
    return np.mean(found, axis=0)


@settings(max_examples=15, deadline=None)
@given(
    sides=st.lists(st.sampled_from([1, 3, 5, 11, 13]), min_size=2, max_size=3),
    data_range=st.sampled_from([0.1, 1.0, 255.0]),
    seed=st.integers(0, 999),
)
def test_single_window_of_any_sides_is_equation_13(sides, data_range, seed):
    sr, hr = pair(1, 1, *sides, seed=seed, data_range=data_range)
    got = ssim_map(sr, hr, data_range=data_range, window=sides)
    expected = equation_13(sr[0, 0].numpy(), hr[0, 0].numpy(), data_range)
    assert [value.item() for value in got] == pytest.approx(expected)


def test_window_of_one_compares_slice_by_slice():
    sr, hr = pair(2, 2, 3, 12, 14)
    maps = ssim_map(sr, hr, data_range=1.0, window=[1, 11, 11])
    for position in range(3):
        slices = ssim_map(sr[:, :, position], hr[:, :, position], data_range=1.0)
        for got, expected in zip(maps, slices, strict=True):
            torch.testing.assert_close(got[:, :, position], expected)


@pytest.mark.parametrize("size", [(2, 3, 12, 13), (1, 2, 6, 5, 7)], ids=str)
def test_memory_layout_changes_nothing(size):
    sr, hr = pair(*size)
    layout = {4: torch.channels_last, 5: torch.channels_last_3d}[len(size)]
    other = (image.to(memory_format=layout) for image in (sr, hr))
    expected = ssim_map(sr, hr, data_range=1.0, window=5)
    torch.testing.assert_close(ssim_map(*other, data_range=1.0, window=5), expected)


@settings(max_examples=10, deadline=None)
@given(unit=st.floats(1e-6, 1e6), seed=st.integers(0, 999))
def test_unit_of_the_values_changes_nothing(unit, seed):
    sr, hr = (image.float() for image in pair(1, 1, 8, 9, seed=seed))
    expected = ssim_map(sr, hr, data_range=1.0, window=5)
    got = ssim_map(unit * sr, unit * hr, data_range=unit, window=5)
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=0)


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 999), size=st.floats(-2, 5), data_range=st.sampled_from([1e-3, 1.0, 1e4])
)
def test_equal_images_are_one_and_others_within_bounds_whatever_the_range(seed, size, data_range):
    sr, hr = (10**size * image.float() for image in pair(1, 2, 6, 7, seed=seed))
    for got in ssim_map(sr, hr, data_range=data_range, window=5):
        assert got.abs().max() <= 1
    for same in ssim_map(hr, hr.clone(), data_range=data_range, window=5):
        assert torch.equal(same, torch.ones_like(same))


def test_rounding_leaves_no_negative_variance():
    """Faint texture beside a step of 10 000 full scales, which float32 squares cannot resolve."""
    step = 1e4 * (torch.arange(16) > 7).float() * torch.ones(1, 1, 16, 1)
    sr, hr = (step + 0.01 * image.float() for image in pair(1, 1, 16, 16))
    sr.requires_grad_()
    for result in ssim_map(sr, hr, data_range=1.0, window=3):
        assert result.abs().max() <= 1
        (gradient,) = torch.autograd.grad(result.sum(), sr, retain_graph=True)
        assert gradient.isfinite().all()


@pytest.mark.parametrize(("levels", "side"), [(1, 31), (2, 31), (4, 91)])
def test_levels_match_torchmetrics_after_average_pooling(levels, side):
    sr, hr = pair(2, 1, side, 100, noise=0.3, data_range=255.0)
    expected, images = [], (sr, hr)
    for _ in range(levels - 1):
        expected.append(torchmetrics_contrast(*images, 255.0)[:, None])
        images = tuple(F.avg_pool2d(image, 2) for image in images)
    expected.append(torchmetrics_map(*images, 255.0).flatten(2).mean(2))
    got = ms_ssim_levels(sr, hr, data_range=255.0, levels=levels)
    torch.testing.assert_close(got, torch.stack(expected, dim=2))


def test_five_levels_match_torchmetrics_but_for_the_coarsest():
    sr, hr = pair(1, 1, 176, 180, noise=0.3)
    levels = ms_ssim_levels(sr, hr, data_range=1.0)
    levels[..., -1] = 1
    shares = (*(weight / sum(WANG_2003) for weight in WANG_2003[:4]), 0.0)
    expected = multiscale_structural_similarity_index_measure(sr, hr, data_range=1.0, betas=shares)
    torch.testing.assert_close(ms_ssim_product(levels).squeeze(), expected, rtol=1e-6, atol=0)


def test_volume_shrinks_along_every_axis():
    images = pair(1, 1, 6, 7, 8)
    pooled = (F.avg_pool3d(image, 2) for image in images)
    expected = [windows_by_equation_13(*images)[1], windows_by_equation_13(*pooled)[0]]
    got = ms_ssim_levels(*images, data_range=1.0, levels=2, window=3)
    np.testing.assert_allclose(got.flatten(), expected)


def test_axis_with_a_window_of_one_is_not_shrunk():
    sr, hr = pair(1, 2, 3, 12, 14)
    given = {"data_range": 1.0, "levels": 2}
    slices = []
    for position in range(3):
        slices.append(ms_ssim_levels(sr[:, :, position], hr[:, :, position], window=5, **given))
    got = ms_ssim_levels(sr, hr, window=[1, 5, 5], **given)
    torch.testing.assert_close(got, torch.stack(slices).mean(dim=0))


@settings(max_examples=15, deadline=None)
@given(levels=st.lists(st.floats(0, 1), min_size=1, max_size=5))
def test_product_weighs_the_levels_by_shares_of_one(levels):
    weights = np.array(WANG_2003[: len(levels)])
    expected = np.prod(np.array(levels) ** (weights / weights.sum()))
    got = ms_ssim_product(torch.tensor([[levels]], dtype=torch.float64))
    assert got.item() == pytest.approx(expected, abs=1e-12)


def test_ssim_refuses():
    cases = [
        ((10, 64), {}, "SSIM looks through windows of (11, 11) pixels; got an image of (10, 64). "),
        ((4, 64, 5), {}, "or set a smaller window, such as window=[3,11,5]."),
        ((5, 64, 64), {"window": [7, 11, 11]}, "(7, 11, 11) pixels; got an image of (5, 64, 64)."),
        ((64, 64), {"window": 8}, "window is 8; sides must be odd, so that a window has a pixel"),
        ((64, 64), {"window": [5, 11, 11]}, "window is [5, 11, 11] for 2 spatial axes"),
        ((64, 64), {"data_range": 0.0}, "data_range is 0.0; it must be above 0"),
    ]
    for size, arguments, message in cases:
        image = torch.zeros(1, 1, *size)
        with pytest.raises(ValueError, match=re.escape(message)):
            ssim_map(image, image, **{"data_range": 1.0, **arguments})


def test_ms_ssim_refuses():
    cases = [
        ((175, 200), {}, "images of at least (176, 176); got (175, 200). Give larger images, or"),
        ((1, 43, 44), {"levels": 3, "window": [1, 11, 11]}, "at least (1, 44, 44); got (1, 43, 44"),
        ((200, 200), {"levels": 6}, "levels is 6; MS-SSIM has 1 to 5."),
        ((200, 200), {"levels": 0}, "levels is 0; MS-SSIM has 1 to 5."),
        ((200, 200), {"window": 4}, "window is 4; sides must be odd"),
    ]
    for size, arguments, message in cases:
        image = torch.zeros(1, 1, *size)
        with pytest.raises(ValueError, match=re.escape(message)):
            ms_ssim_levels(image, image, data_range=1.0, **arguments)
