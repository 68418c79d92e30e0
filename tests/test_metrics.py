import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter1d
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from srlab.metrics import psnr, ssim


def pair(*size, seed=0, noise=0.1, data_range=1.0):
    """A smooth HR and a noisy SR of it, in ``[0, data_range]`` but for the noise."""
    generator = torch.Generator().manual_seed(seed)
    axes = [torch.linspace(0, 3, length) for length in size[2:]]
    waves = sum(torch.sin(2 * wave) for wave in torch.meshgrid(*axes, indexing="ij"))
    hr = 0.5 + 0.5 * waves / len(axes) + 0.05 * torch.rand(size, generator=generator)
    sr = hr + noise * torch.randn(size, generator=generator)
    return data_range * sr, data_range * hr


@pytest.mark.parametrize("data_range", [1.0, 255.0, 10_000.0])
@pytest.mark.parametrize("size", [(3, 1, 16, 20), (2, 3, 12, 12), (2, 5, 6, 7, 8)], ids=str)
def test_psnr_matches_skimage_image_by_image(size, data_range):
    sr, hr = pair(*size, data_range=data_range)
    expected = [
        peak_signal_noise_ratio(h.double().numpy(), s.double().numpy(), data_range=data_range)
        for s, h in zip(sr, hr, strict=True)
    ]
    torch.testing.assert_close(psnr(sr, hr, data_range=data_range).double(), torch.tensor(expected), atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("error", "expected"), [(1.0, 0.0), (0.1, 20.0), (0.001, 60.0), (10.0, -20.0), (0.0, torch.inf)]
)
def test_psnr_of_a_constant_error(error, expected):
    hr = torch.zeros(1, 2, 4, 4)
    torch.testing.assert_close(psnr(hr + error, hr, data_range=1.0), torch.tensor([expected]), atol=1e-4, rtol=0)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 999), share=st.floats(0.05, 0.95))
def test_psnr_counts_valid_pixels_alone(seed, share):
    sr, hr = pair(2, 3, 8, 9, seed=seed)
    valid = torch.rand(2, 1, 8, 9, generator=torch.Generator().manual_seed(seed)) < share
    valid[:, :, 0, 0] = True
    expected = []
    for image in range(2):
        rows, cols = np.nonzero(valid[image, 0].numpy())
        expected.append(
            peak_signal_noise_ratio(hr[image].numpy()[:, rows, cols], sr[image].numpy()[:, rows, cols], data_range=1)
        )
    hr_of_nodata = torch.where(valid, hr, torch.nan)
    ours = psnr(sr, hr_of_nodata, data_range=1.0, valid=valid)
    torch.testing.assert_close(ours.double(), torch.tensor(expected).double(), atol=1e-4, rtol=0)


def test_psnr_without_any_valid_pixel_is_nan_for_that_image_alone():
    sr, hr = pair(2, 1, 4, 4)
    valid = torch.ones(2, 1, 4, 4, dtype=torch.bool)
    valid[0] = False
    result = psnr(sr, hr, data_range=1.0, valid=valid)
    assert result.isnan().tolist() == [True, False]


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
@pytest.mark.parametrize("data_range", [1.0, 255.0])
@pytest.mark.parametrize("size", [(2, 1, 40, 31), (2, 3, 24, 26), (1, 2, 16, 18, 17)], ids=str)
def test_ssim_matches_skimage_image_by_image(size, data_range, noise):
    sr, hr = pair(*size, noise=noise, data_range=data_range)
    expected = [ssim_of_skimage(s, h, data_range=data_range) for s, h in zip(sr, hr, strict=True)]
    # float32 moments: the variance is a difference of squares
    torch.testing.assert_close(ssim(sr, hr, data_range=data_range), torch.tensor(expected).float(), atol=2e-4, rtol=0)


def ssim_at_the_middle(x, y, data_range):
    """Wang et al. 2004, eq. 13 with one Gaussian window over an image of 11 × 11, in float64."""
    window = np.zeros((11, 11))
    window[5, 5] = 1
    window = gaussian_filter1d(gaussian_filter1d(window, 1.5, axis=0, radius=5), 1.5, axis=1, radius=5)
    mean_x, mean_y = (window * x).sum(), (window * y).sum()
    var_x, var_y = (window * (x - mean_x) ** 2).sum(), (window * (y - mean_y) ** 2).sum()
    covariance = (window * (x - mean_x) * (y - mean_y)).sum()
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    return (2 * mean_x * mean_y + c1) * (2 * covariance + c2) / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2))


@pytest.mark.parametrize("data_range", [1.0, 100.0])
def test_ssim_of_a_single_window_is_equation_13(data_range):
    sr, hr = pair(1, 1, 11, 11, data_range=data_range)
    expected = ssim_at_the_middle(sr[0, 0].double().numpy(), hr[0, 0].double().numpy(), data_range)
    torch.testing.assert_close(
        ssim(sr, hr, data_range=data_range).double(), torch.tensor([expected]).double(), atol=1e-4, rtol=0
    )


def test_ssim_of_an_image_with_itself_is_one():
    _, hr = pair(2, 3, 16, 16)
    torch.testing.assert_close(ssim(hr, hr.clone(), data_range=1.0), torch.ones(2))


def test_ssim_takes_hidden_pixels_for_equal():
    sr, hr = pair(1, 2, 24, 24)
    valid = torch.zeros(1, 1, 24, 24, dtype=torch.bool)
    valid[..., :14] = True
    same = torch.where(valid, sr, 0.0), torch.where(valid, hr, 0.0)
    expected = ssim_of_skimage(*(image[0] for image in same), data_range=1.0)
    result = ssim(sr, torch.where(valid, hr, torch.nan), data_range=1.0, valid=valid)
    torch.testing.assert_close(result, torch.tensor([expected]).float(), atol=2e-4, rtol=0)


@pytest.mark.parametrize("size", [(10, 64), (64, 10), (11, 11, 10)], ids=str)
def test_ssim_refuses_images_smaller_than_its_window(size):
    message = f"SSIM needs images of at least 11 pixels a side; got {size}."
    with pytest.raises(ValueError, match=re.escape(message)):
        ssim(*pair(1, 1, *size), data_range=1.0)
