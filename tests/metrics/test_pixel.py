import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio

from srlab.metrics import View
from srlab.metrics.pixel import MAE, PSNR, RMSE

METRICS = [PSNR(), MAE(), RMSE()]
SIZES = [(3, 1, 16, 20), (2, 3, 12, 12), (2, 5, 6, 7, 8)]
REFERENCES = {
    PSNR: lambda s, h, data_range: peak_signal_noise_ratio(h, s, data_range=data_range),
    MAE: lambda s, h, data_range: np.abs(s - h).mean(),
    RMSE: lambda s, h, data_range: np.sqrt(mean_squared_error(h, s)),
}
each = pytest.mark.parametrize("metric", METRICS, ids=lambda metric: type(metric).__name__)


def random(*size, seed=0):
    return torch.rand(size, generator=torch.Generator().manual_seed(seed))


def view(hr, *, valid=None, data_range=1.0, channels=None):
    names = channels or tuple(f"B{band}" for band in range(1, hr.shape[1] + 1))
    return View(
        lr=hr, valid=valid, scale=(1,) * (hr.ndim - 2), data_range=data_range, channels=names, pixel_size=None,
        degrade=lambda image: image,
    )  # fmt: skip


def expected(metric, sr, hr, data_range=1.0):
    reference = REFERENCES[type(metric)]
    pairs = zip(sr.double().numpy(), hr.double().numpy(), strict=True)
    return torch.tensor([reference(s, h, data_range) for s, h in pairs]).float()


@each
@pytest.mark.parametrize("data_range", [1.0, 255.0, 10_000.0])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_matches_skimage_image_by_image(metric, size, data_range):
    sr, hr = data_range * random(*size), data_range * random(*size, seed=1)
    result = metric(sr, hr, view(hr, data_range=data_range))
    torch.testing.assert_close(result, expected(metric, sr, hr, data_range), atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize(
    ("error", "decibels"), [(1.0, 0.0), (0.1, 20.0), (0.001, 60.0), (10.0, -20.0), (0, torch.inf)]
)
def test_psnr_of_a_constant_error(error, decibels):
    hr = torch.zeros(1, 2, 4, 4)
    torch.testing.assert_close(
        PSNR()(hr + error, hr, view(hr)), torch.tensor([decibels]), atol=1e-4, rtol=0
    )


@each
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 999), share=st.floats(0.05, 0.95))
def test_counts_valid_pixels_alone(metric, seed, share):
    sr, hr = random(2, 3, 8, 9, seed=seed), random(2, 3, 8, 9, seed=seed + 1000)
    valid = random(2, 1, 8, 9, seed=seed + 2000) < share
    valid[:, :, 0, 0] = True
    alone = []
    for image in range(2):
        rows, cols = np.nonzero(valid[image, 0].numpy())
        alone.append(
            expected(
                metric, sr[image : image + 1, :, rows, cols], hr[image : image + 1, :, rows, cols]
            )
        )
    result = metric(sr, torch.where(valid, hr, torch.nan), view(hr, valid=valid))
    torch.testing.assert_close(result, torch.cat(alone), atol=1e-4, rtol=1e-5)


@each
def test_image_without_valid_pixels_is_nan_alone(metric):
    sr, hr = random(2, 1, 4, 4), random(2, 1, 4, 4, seed=1)
    valid = torch.ones(2, 1, 4, 4, dtype=torch.bool)
    valid[0] = False
    assert metric(sr, hr, view(hr, valid=valid)).isnan().tolist() == [True, False]


@each
@pytest.mark.parametrize("masked", [False, True])
def test_broken_pixel_of_sr_is_not_left_out(metric, masked):
    sr, hr = random(2, 3, 4, 4), random(2, 3, 4, 4, seed=1)
    sr[1, 2, 3, 3] = torch.nan
    valid = torch.ones(2, 1, 4, 4, dtype=torch.bool) if masked else None
    assert metric(sr, hr, view(hr, valid=valid)).isnan().tolist() == [False, True]


@pytest.mark.parametrize("kind", [MAE, RMSE])
def test_errors_per_band_are_those_of_the_bands_alone(kind):
    sr, hr = random(2, 3, 6, 5), random(2, 3, 6, 5, seed=1)
    valid = random(2, 1, 6, 5, seed=2) < 0.7
    result = kind(per_band=True)(sr, hr, view(hr, valid=valid, channels=("B04", "B03", "B08")))
    assert list(result) == ["", "B04", "B03", "B08"]
    torch.testing.assert_close(result[""], kind()(sr, hr, view(hr, valid=valid)))
    for band, name in enumerate(("B04", "B03", "B08")):
        one = slice(band, band + 1)
        torch.testing.assert_close(
            result[name], kind()(sr[:, one], hr[:, one], view(hr[:, one], valid=valid))
        )


@pytest.mark.parametrize(
    "names", [("red", "red", "nir"), ("red", "green"), ("red", "red", "green", "nir")]
)
def test_errors_per_band_need_a_name_for_each(names):
    hr = random(1, 3, 4, 4)
    message = (
        f"errors per band need a name of its own for each of the 3 channels; got {names}. "
        "Set per_band=false, or name the bands in the data."
    )
    for kind in (MAE, RMSE):
        with pytest.raises(ValueError, match=re.escape(message)):
            kind(per_band=True)(hr, hr, view(hr, channels=names))


def test_direction_of_better():
    assert [metric.higher_is_better for metric in METRICS] == [True, False, False]
