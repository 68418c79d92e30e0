import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_checks import assert_broken_pixel_is_not_left_out, noise, random, scoring
from scipy.ndimage import gaussian_filter1d
from skimage.metrics import structural_similarity
from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

from srlab.metrics.similarity import MSSSIM, SSIM, UQI

SMALL = {"ssim": SSIM(window=5), "ms_ssim": MSSSIM(window=3, levels=2), "uqi": UQI(window=4)}
"""Metrics for small images."""

SIDES = {"ssim": 5, "ms_ssim": 6, "uqi": 4}
"""HR pixels that a window of theirs spans."""

each = pytest.mark.parametrize("name", SMALL)


def pair(*size, seed=0, strength=0.1, data_range=1.0):
    """A smooth HR and a noisy SR of it, in ``[0, data_range]`` but for the noise."""
    axes = [torch.linspace(0, 3, length) for length in size[2:]]
    waves = sum(torch.sin(2 * wave) for wave in torch.meshgrid(*axes, indexing="ij"))
    hr = 0.5 + 0.5 * waves / len(axes) + 0.05 * random(*size, seed=seed)
    sr = hr + strength * noise(*size, seed=seed)
    return data_range * sr, data_range * hr


def channel_means(score, sr, hr):
    """The mean of a score of single channels, for each image."""
    means = []
    for image, reference in zip(sr.double().numpy(), hr.double().numpy(), strict=True):
        means.append(np.mean([score(x, y) for x, y in zip(image, reference, strict=True)]))
    return torch.tensor(means).float()


@pytest.mark.parametrize(
    ("size", "data_range", "strength"),
    [
        ((2, 1, 40, 31), 1.0, 0.02),
        ((2, 3, 24, 26), 255.0, 0.3),
        ((2, 2, 24, 26), 10_000.0, 0.02),
        ((1, 2, 13, 14, 12), 10_000.0, 0.3),
    ],
    ids=str,
)
def test_ssim_matches_skimage_image_by_image(size, data_range, strength):
    """In skimage 3.5 sigma round to a radius of 5 pixels, which is ours."""

    def theirs(x, y):
        return structural_similarity(
            x,
            y,
            data_range=data_range,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )

    sr, hr = pair(*size, strength=strength, data_range=data_range)
    result = SSIM()(sr, hr, scoring(data_range=data_range))
    torch.testing.assert_close(result, channel_means(theirs, sr, hr), atol=1e-5, rtol=0)


def windows_by_equation_13(x, y):
    """SSIM of each window of 11 × 11 inside, with a data range of 1 (Wang et al. 2004)."""
    mean_x, mean_y, var_x, var_y, covariance = moments(x, y, radius=5)
    luminance = (2 * mean_x * mean_y + 0.01**2) / (mean_x**2 + mean_y**2 + 0.01**2)
    return luminance * (2 * covariance + 0.03**2) / (var_x + var_y + 0.03**2)


def moments(x, y, radius):
    """Gaussian means, variances and covariance in the windows inside."""

    def mean(image):
        for axis in range(image.ndim):
            image = gaussian_filter1d(image, 1.5, axis=axis, radius=radius)
        return image[(slice(radius, -radius),) * image.ndim]

    mean_x, mean_y = mean(x), mean(y)
    variances = mean(x * x) - mean_x**2, mean(y * y) - mean_y**2
    return mean_x, mean_y, *variances, mean(x * y) - mean_x * mean_y


@pytest.mark.parametrize(
    ("metric", "flat"),
    [
        (SSIM(window=[1, 11, 11]), SSIM(window=11)),
        (MSSSIM(window=[1, 5, 5], levels=2), MSSSIM(window=5, levels=2)),
        (UQI(window=[1, 8, 8]), UQI(window=8)),
    ],
    ids=["ssim", "ms_ssim", "uqi"],
)
def test_window_of_one_frame_looks_at_each_frame(metric, flat):
    sr, hr = pair(1, 2, 4, 13, 14)
    frames = [flat(sr[:, :, frame], hr[:, :, frame], scoring()) for frame in range(4)]
    still = (image[:, :, :1].expand_as(image) for image in (sr, hr))
    torch.testing.assert_close(metric(*still, scoring()), frames[0])
    if metric.window != [1, 5, 5]:  # MS-SSIM averages levels before the product
        torch.testing.assert_close(metric(sr, hr, scoring()), torch.stack(frames).mean(dim=0))


def halved(image):
    for axis in range(image.ndim):
        pairs = np.moveaxis(image, axis, 0)[: image.shape[axis] // 2 * 2]
        image = np.moveaxis((pairs[::2] + pairs[1::2]) / 2, 0, axis)
    return image


@pytest.mark.parametrize(
    ("size", "window", "weights", "data_range"),
    [
        ((1, 1, 176, 181), 11, [0.0448, 0.2856, 0.3001, 0.2363, 0.1333], 1.0),
        ((2, 2, 44, 47), 11, [0.0448, 0.2856, 0.3001], 10_000.0),
        ((1, 2, 10, 13, 11), 5, [0.0448, 0.2856], 1.0),
    ],
    ids=str,
)
def test_ms_ssim_is_equation_7(size, window, weights, data_range):
    """Wang et al. 2003, eq. 7."""
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2

    def expected(x, y):
        product = 1.0
        for level, weight in enumerate(weights, start=1):
            mean_x, mean_y, var_x, var_y, covariance = moments(x, y, window // 2)
            similarity = (2 * covariance + c2) / (var_x + var_y + c2)
            if level == len(weights):
                similarity *= (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
            product *= max(similarity.mean(), 0) ** (weight / sum(weights))
            x, y = halved(x), halved(y)
        return product

    sr, hr = pair(*size, strength=0.3, data_range=data_range)
    metric = MSSSIM(levels=len(weights), window=window)
    result = metric(sr, hr, scoring(data_range=data_range))
    torch.testing.assert_close(result, channel_means(expected, sr, hr), atol=1e-5, rtol=0)


def test_ms_ssim_is_near_that_of_torchmetrics():
    """Torchmetrics takes the last level over padded borders, too."""
    sr, hr = pair(2, 1, 192, 208, strength=0.2)
    expected = multiscale_structural_similarity_index_measure(
        sr, hr, data_range=1.0, reduction="none"
    )
    torch.testing.assert_close(MSSSIM()(sr, hr, scoring()), expected, atol=3e-3, rtol=0)


def test_ms_ssim_of_a_negative_is_zero():
    _, hr = pair(1, 1, 24, 24)
    assert MSSSIM(levels=2)(1 - hr, hr, scoring()).item() == 0


@pytest.mark.parametrize(
    ("size", "data_range"), [((2, 2, 14, 11), 10_000.0), ((1, 1, 9, 10, 8), 1.0)], ids=str
)
def test_uqi_is_equation_2(size, data_range):
    """Wang & Bovik 2002, eq. 2 in each window, by the definition."""

    def expected(x, y):
        windows = np.lib.stride_tricks.sliding_window_view
        x, y = (windows(image, (8,) * image.ndim).reshape(-1, 8**image.ndim) for image in (x, y))
        mean_x, mean_y = x.mean(axis=1), y.mean(axis=1)
        covariance = (x * y).mean(axis=1) - mean_x * mean_y
        lower = (x.var(axis=1) + y.var(axis=1)) * (mean_x**2 + mean_y**2)
        return (4 * covariance * mean_x * mean_y / lower).mean()

    sr, hr = pair(*size, data_range=data_range)
    result = UQI()(sr, hr, scoring())
    torch.testing.assert_close(result, channel_means(expected, sr, hr), atol=1e-5, rtol=0)


def test_uqi_of_flat_images_compares_their_means():
    """2ab / (a² + b²), as in the authors' code."""
    ones = torch.ones(1, 1, 10, 10, dtype=torch.float64)
    for sr, hr, expected in ((3.0, 3.0, 1), (0.0, 0.0, 1), (1.0, 3.0, 0.6), (100 / 3, 100.0, 0.6)):
        result = UQI(window=7)(sr * ones, hr * ones, scoring())
        assert result.item() == pytest.approx(expected, abs=1e-6)


def test_uqi_sees_texture_that_float32_sums_lose():
    """SR has half the contrast of HR, on a level of 3000: 2 · 0.5 / (1 + 0.5²)."""
    texture = noise(1, 1, 16, 16)
    result = UQI()(3000 + 0.5 * texture, 3000 + texture, scoring())
    assert result.item() == pytest.approx(0.8, abs=1e-3)


@each
def test_image_with_itself_is_one(name):
    _, hr = pair(2, 3, 16, 16)
    torch.testing.assert_close(SMALL[name](hr, hr.clone(), scoring()), torch.ones(2))
    assert SMALL[name].higher_is_better


@each
def test_hidden_pixels_are_as_if_cut_off(name):
    for size in [(2, 2, 16, 18), (1, 2, 8, 12, 10)]:
        sr, hr = pair(*size)
        valid = torch.ones(size[0], 1, *size[2:], dtype=torch.bool)
        valid[..., -4:] = False
        expected = SMALL[name](sr[..., :-4], hr[..., :-4], scoring())
        for fill in (1e30, torch.nan, torch.inf):
            filled = (torch.where(valid, image, fill) for image in (sr, hr))
            torch.testing.assert_close(SMALL[name](*filled, scoring(valid=valid)), expected)


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 999),
    hidden=st.lists(st.tuples(st.integers(0, 13), st.integers(0, 14)), max_size=4),
)
def test_ssim_averages_over_windows_without_hidden_pixels(seed, hidden):
    sr, hr = pair(1, 1, 14, 15, seed=seed)
    valid = torch.ones(1, 1, 14, 15, dtype=torch.bool)
    for row, column in hidden:
        valid[..., row, column] = False
    similarity = windows_by_equation_13(*(image[0, 0].double().numpy() for image in (sr, hr)))
    scores = []
    for row, column in np.ndindex(4, 5):
        if valid[..., row : row + 11, column : column + 11].all():
            scores.append(similarity[row, column])
    result = SSIM()(sr, torch.where(valid, hr, torch.nan), scoring(valid=valid))
    expected = torch.tensor([sum(scores) / (len(scores) or np.nan)]).float()
    torch.testing.assert_close(result, expected, equal_nan=True)


@each
def test_image_without_whole_windows_is_nan_alone(name):
    sr, hr = pair(3, 1, 16, 16)
    valid = torch.ones(3, 1, 16, 16, dtype=torch.bool)
    valid[0] = False
    valid[1, :, :: SIDES[name] - 2] = False
    result = SMALL[name](sr, torch.where(valid, hr, torch.nan), scoring(valid=valid))
    assert result.isnan().tolist() == [True, True, False]


@each
def test_broken_pixel_of_sr_is_not_left_out(name):
    assert_broken_pixel_is_not_left_out(SMALL[name], 2, 1, 16, 16)


def test_refuses_images_smaller_than_a_window():
    cases = [
        (SSIM(), (11, 11, 10), "windows of (11, 11, 11) pixels; got an image of (11, 11, 10)."),
        (MSSSIM(), (175, 176), "needs images of at least (176, 176); got (175, 176). Give larger"),
        (MSSSIM(levels=2, window=[1, 3, 3]), (1, 5, 6), "at least (1, 6, 6); got (1, 5, 6)."),
        (UQI(), (7, 8), "UQI needs images of at least (8, 8) pixels; got (7, 8): set a smaller"),
    ]
    for metric, size, message in cases:
        sr, hr = pair(1, 1, *size)
        with pytest.raises(ValueError, match=re.escape(message)):
            metric(sr, hr, scoring())


@pytest.mark.parametrize("levels", [0, 6])
def test_ms_ssim_refuses_levels_without_a_weight(levels):
    with pytest.raises(ValueError, match=f"levels is {levels}; MS-SSIM has 1 to 5"):
        MSSSIM(levels=levels)
