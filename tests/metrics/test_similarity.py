import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter1d
from skimage.metrics import structural_similarity
from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

from srlab.metrics import View
from srlab.metrics.similarity import MSSSIM, SSIM, UQI

SMALL = {"ssim": SSIM(window=5), "ms_ssim": MSSSIM(window=3, levels=2), "uqi": UQI(window=4)}
"""Metrics for small images."""

SIDES = {"ssim": 5, "ms_ssim": 6, "uqi": 4}
"""HR pixels that a window of theirs spans."""

each = pytest.mark.parametrize("name", SMALL)


def pair(*size, seed=0, noise=0.1, data_range=1.0):
    """A smooth HR and a noisy SR of it, in ``[0, data_range]`` but for the noise."""
    generator = torch.Generator().manual_seed(seed)
    axes = [torch.linspace(0, 3, length) for length in size[2:]]
    waves = sum(torch.sin(2 * wave) for wave in torch.meshgrid(*axes, indexing="ij"))
    hr = 0.5 + 0.5 * waves / len(axes) + 0.05 * torch.rand(size, generator=generator)
    sr = hr + noise * torch.randn(size, generator=generator)
    return data_range * sr, data_range * hr


def view(hr, *, valid=None, data_range=1.0):
    return View(
        lr=hr, valid=valid, scale=(1,) * (hr.ndim - 2), data_range=data_range, channels=(), pixel_size=None,
        degrade=lambda image: image,
    )  # fmt: skip


def ssim(sr, hr, **options):
    return SSIM()(sr, hr, view(hr, **options))


def ssim_of_skimage(sr, hr, *, data_range):
    """Mean over channels and windows that lie inside; 3.5 sigma rounds to a radius of 5 pixels, as ours."""
    return structural_similarity(
        sr.double().numpy(),
        hr.double().numpy(),
        data_range=data_range,
        channel_axis=0,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )


@pytest.mark.parametrize("noise", [0.02, 0.3])
@pytest.mark.parametrize("data_range", [1.0, 255.0, 10_000.0])
@pytest.mark.parametrize("size", [(2, 1, 40, 31), (2, 3, 24, 26), (1, 2, 16, 18, 17)], ids=str)
def test_ssim_matches_skimage_image_by_image(size, data_range, noise):
    sr, hr = pair(*size, noise=noise, data_range=data_range)
    expected = [ssim_of_skimage(s, h, data_range=data_range) for s, h in zip(sr, hr, strict=True)]
    result = ssim(sr, hr, data_range=data_range)
    torch.testing.assert_close(result, torch.tensor(expected).float(), atol=1e-5, rtol=0)


def ssim_at_the_middle(x, y, data_range):
    """Wang et al. 2004, eq. 13 with one Gaussian window over an image of 11 × 11, in float64."""
    window = np.zeros((11, 11))
    window[5, 5] = 1
    window = gaussian_filter1d(
        gaussian_filter1d(window, 1.5, axis=0, radius=5), 1.5, axis=1, radius=5
    )
    mean_x, mean_y = (window * x).sum(), (window * y).sum()
    var_x, var_y = (window * (x - mean_x) ** 2).sum(), (window * (y - mean_y) ** 2).sum()
    covariance = (window * (x - mean_x) * (y - mean_y)).sum()
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    return (
        (2 * mean_x * mean_y + c1)
        * (2 * covariance + c2)
        / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2))
    )


@pytest.mark.parametrize("data_range", [1.0, 100.0])
def test_ssim_of_a_single_window_is_equation_13(data_range):
    sr, hr = pair(1, 1, 11, 11, data_range=data_range)
    expected = ssim_at_the_middle(sr[0, 0].double().numpy(), hr[0, 0].double().numpy(), data_range)
    torch.testing.assert_close(
        ssim(sr, hr, data_range=data_range), torch.tensor([expected]).float()
    )


@pytest.mark.parametrize(
    "metric", [SSIM(window=[1, 11, 11]), MSSSIM(window=[1, 5, 5], levels=2), UQI(window=[1, 8, 8])]
)
def test_window_of_one_frame_is_the_mean_over_frames(metric):
    sr, hr = pair(1, 2, 4, 13, 14)
    flat = type(metric)(
        **({"levels": 2} if isinstance(metric, MSSSIM) else {}), window=list(metric.window[1:])
    )
    frames = [flat(sr[:, :, frame], hr[:, :, frame], view(hr[:, :, frame])) for frame in range(4)]
    if not isinstance(metric, MSSSIM):  # whose levels are averaged before the product
        torch.testing.assert_close(metric(sr, hr, view(hr)), torch.stack(frames).mean(dim=0))
    still = (image[:, :, :1].expand_as(image) for image in (sr, hr))
    torch.testing.assert_close(metric(*still, view(hr)), frames[0])


def moments(x, y, radius):
    """Gaussian means, variances and covariance in the windows inside."""

    def mean(image):
        for axis in range(image.ndim):
            image = gaussian_filter1d(image, 1.5, axis=axis, radius=radius)
        return image[(slice(radius, -radius),) * image.ndim]

    return (
        mean(x),
        mean(y),
        mean(x * x) - mean(x) ** 2,
        mean(y * y) - mean(y) ** 2,
        mean(x * y) - mean(x) * mean(y),
    )


def halved(image):
    blocks = [n for size in image.shape for n in (size // 2, 2)]
    even = image[tuple(slice(size // 2 * 2) for size in image.shape)]
    return even.reshape(blocks).mean(axis=tuple(range(1, 2 * image.ndim, 2)))


def ms_ssim_of_one_channel(x, y, data_range, *, weights, radius):
    """Wang et al. 2003, eq. 7."""
    product, c1, c2 = 1.0, (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    for level, weight in enumerate(weights):
        x, y = (halved(x), halved(y)) if level else (x, y)
        mean_x, mean_y, var_x, var_y, covariance = moments(x, y, radius)
        similarity = (2 * covariance + c2) / (var_x + var_y + c2)
        if level == len(weights) - 1:
            similarity = similarity * (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
        product *= max(similarity.mean(), 0) ** weight
    return product


@pytest.mark.parametrize("data_range", [1.0, 10_000.0])
@pytest.mark.parametrize(
    ("size", "window", "weights"),
    [
        ((1, 1, 176, 181), 11, [0.0448, 0.2856, 0.3001, 0.2363, 0.1333]),
        ((2, 2, 44, 47), 11, [0.0448, 0.2856, 0.3001]),
        ((1, 2, 10, 13, 11), 5, [0.0448, 0.2856]),
    ],
    ids=str,
)
def test_ms_ssim_is_equation_7(size, window, weights, data_range):
    sr, hr = pair(*size, noise=0.3, data_range=data_range)
    shares = [weight / sum(weights) for weight in weights]
    expected = [
        np.mean([
            ms_ssim_of_one_channel(x, y, data_range, weights=shares, radius=window // 2)
            for x, y in zip(s.double().numpy(), h.double().numpy(), strict=True)
        ])
        for s, h in zip(sr, hr, strict=True)
    ]  # fmt: skip
    result = MSSSIM(levels=len(weights), window=window)(sr, hr, view(hr, data_range=data_range))
    torch.testing.assert_close(result, torch.tensor(expected).float(), atol=1e-5, rtol=0)


def test_ms_ssim_is_near_that_of_torchmetrics():
    """Which takes the last level over padded borders too."""
    sr, hr = pair(2, 1, 192, 208, noise=0.2)
    expected = multiscale_structural_similarity_index_measure(
        sr, hr, data_range=1.0, reduction="none"
    )
    torch.testing.assert_close(MSSSIM()(sr, hr, view(hr)), expected, atol=3e-3, rtol=0)


def test_ms_ssim_of_a_negative_is_zero():
    _, hr = pair(1, 1, 24, 24)
    assert MSSSIM(levels=2)(1 - hr, hr, view(hr)).item() == 0


def uqi_of_windows(x, y, side):
    """Wang & Bovik 2002, eq. 2 in each window, by the definition."""
    windows = np.lib.stride_tricks.sliding_window_view
    x, y = (windows(image, (side,) * image.ndim).reshape(-1, side**image.ndim) for image in (x, y))
    covariance = (x * y).mean(axis=1) - x.mean(axis=1) * y.mean(axis=1)
    upper = 4 * covariance * x.mean(axis=1) * y.mean(axis=1)
    return (
        upper / ((x.var(axis=1) + y.var(axis=1)) * (x.mean(axis=1) ** 2 + y.mean(axis=1) ** 2))
    ).mean()


@pytest.mark.parametrize("data_range", [1.0, 10_000.0])
@pytest.mark.parametrize("size", [(2, 2, 14, 11), (1, 1, 9, 10, 8)], ids=str)
def test_uqi_is_equation_2(size, data_range):
    sr, hr = pair(*size, data_range=data_range)
    expected = [
        np.mean(
            [
                uqi_of_windows(x, y, 8)
                for x, y in zip(s.double().numpy(), h.double().numpy(), strict=True)
            ]
        )
        for s, h in zip(sr, hr, strict=True)
    ]
    torch.testing.assert_close(
        UQI()(sr, hr, view(hr)), torch.tensor(expected).float(), atol=1e-5, rtol=0
    )


@pytest.mark.parametrize(
    ("sr", "hr", "expected"), [(3.0, 3.0, 1), (0.0, 0.0, 1), (1.0, 3.0, 0.6), (0.1, 0.3, 0.6)]
)
def test_uqi_of_flat_images_compares_their_means(sr, hr, expected):
    """2ab / (a² + b²), as in the authors' code."""
    hr = torch.full((1, 1, 10, 10), hr)
    assert UQI()(torch.full_like(hr, sr), hr, view(hr)).item() == pytest.approx(expected, abs=1e-6)


def test_uqi_sees_texture_that_float32_sums_lose():
    """Of a standard deviation of 1 on a level of 10 000, HR against its opposite."""
    texture = torch.randn(1, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    sr, hr = 10_000 + texture, 10_000 - texture
    assert UQI()(sr, hr, view(hr)).item() == pytest.approx(-1, abs=1e-3)


@each
def test_image_with_itself_is_one(name):
    _, hr = pair(2, 3, 16, 16)
    torch.testing.assert_close(SMALL[name](hr, hr.clone(), view(hr)), torch.ones(2))
    assert SMALL[name].higher_is_better


@each
@pytest.mark.parametrize("fill", [0.0, 1e30, torch.nan, torch.inf])
@pytest.mark.parametrize("size", [(2, 2, 16, 18), (1, 2, 8, 12, 10)], ids=str)
def test_hidden_pixels_are_as_if_cut_off(name, size, fill):
    sr, hr = pair(*size)
    valid = torch.ones(size[0], 1, *size[2:], dtype=torch.bool)
    valid[..., -4:] = False
    sr, hidden = (torch.where(valid, image, fill) for image in (sr, hr))
    expected = SMALL[name](sr[..., :-4], hr[..., :-4], view(hr[..., :-4]))
    torch.testing.assert_close(SMALL[name](sr, hidden, view(hr, valid=valid)), expected)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 999),
    hidden=st.lists(st.tuples(st.integers(0, 13), st.integers(0, 14)), max_size=4),
)
def test_ssim_averages_over_windows_without_hidden_pixels(seed, hidden):
    sr, hr = pair(1, 1, 14, 15, seed=seed)
    valid = torch.ones(1, 1, 14, 15, dtype=torch.bool)
    for row, col in hidden:
        valid[..., row, col] = False
    whole = [
        (row, col)
        for row in range(4)
        for col in range(5)
        if valid[..., row : row + 11, col : col + 11].all()
    ]
    scores = [
        ssim_at_the_middle(
            *(image[0, 0, r : r + 11, c : c + 11].double().numpy() for image in (sr, hr)), 1
        )
        for r, c in whole
    ]
    result = ssim(sr, torch.where(valid, hr, torch.nan), valid=valid)
    expected = np.mean(scores) if scores else np.nan
    torch.testing.assert_close(result, torch.tensor([expected]).float(), equal_nan=True)


@each
def test_image_without_whole_windows_is_nan_alone(name):
    sr, hr = pair(3, 1, 16, 16)
    valid = torch.ones(3, 1, 16, 16, dtype=torch.bool)
    valid[0] = False
    valid[1, :, :: SIDES[name] - 2] = False
    result = SMALL[name](sr, torch.where(valid, hr, torch.nan), view(hr, valid=valid))
    assert result.isnan().tolist() == [True, True, False]


@each
def test_broken_pixel_of_sr_is_not_left_out(name):
    sr, hr = pair(2, 1, 16, 16)
    sr[1, 0, 8, 8] = torch.nan
    valid = torch.ones(2, 1, 16, 16, dtype=torch.bool)
    assert SMALL[name](sr, hr, view(hr, valid=valid)).isnan().tolist() == [False, True]


@pytest.mark.parametrize(
    ("metric", "size", "message"),
    [
        (
            SSIM(),
            (10, 64),
            "SSIM looks through windows of (11, 11) pixels; got an image of (10, 64).",
        ),
        (
            SSIM(),
            (11, 11, 10),
            "SSIM looks through windows of (11, 11, 11) pixels; got an image of (11, 11, 10).",
        ),
        (
            MSSSIM(),
            (175, 176),
            "MS-SSIM of 5 levels needs images of at least (176, 176) pixels; got (175, 176): set fewer levels or a",
        ),
        (MSSSIM(levels=2, window=[1, 3, 3]), (1, 5, 6), "at least (1, 6, 6) pixels; got (1, 5, 6)"),
        (
            UQI(),
            (7, 8),
            "UQI needs images of at least (8, 8) pixels; got (7, 8): set a smaller window.",
        ),
    ],
    ids=["ssim", "ssim 3D", "ms_ssim", "ms_ssim 3D", "uqi"],
)
def test_refuses_images_smaller_than_a_window(metric, size, message):
    sr, hr = pair(1, 1, *size)
    with pytest.raises(ValueError, match=re.escape(message)):
        metric(sr, hr, view(hr))


@pytest.mark.parametrize("levels", [0, 6])
def test_ms_ssim_refuses_levels_without_a_weight(levels):
    with pytest.raises(
        ValueError, match=re.escape(f"levels is {levels}; MS-SSIM has weights for 1 to 5.")
    ):
        MSSSIM(levels=levels)
