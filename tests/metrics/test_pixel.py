import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_checks import (
    assert_broken_pixel_is_not_left_out,
    assert_hidden_image_is_nan_alone,
    random,
    scoring,
)
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio

from srlab.metrics.pixel import MAE, PSNR, RMSE

METRICS = [PSNR(), MAE(), RMSE()]
REFERENCES = {
    PSNR: lambda s, h, data_range: peak_signal_noise_ratio(h, s, data_range=data_range),
    MAE: lambda s, h, data_range: np.abs(s - h).mean(),
    RMSE: lambda s, h, data_range: np.sqrt(mean_squared_error(h, s)),
}
each = pytest.mark.parametrize("metric", METRICS, ids=lambda metric: type(metric).__name__)


def expected(metric, sr, hr, data_range=1.0):
    pairs = zip(sr.double().numpy(), hr.double().numpy(), strict=True)
    return torch.tensor([REFERENCES[type(metric)](s, h, data_range) for s, h in pairs]).float()


@each
def test_matches_skimage_image_by_image(metric):
    for size, data_range in [
        ((3, 1, 16, 20), 1.0),
        ((2, 3, 12, 12), 255.0),
        ((2, 5, 6, 7, 8), 10_000.0),
    ]:
        sr, hr = data_range * random(*size), data_range * random(*size, seed=1)
        result = metric(sr, hr, scoring(data_range=data_range))
        torch.testing.assert_close(
            result, expected(metric, sr, hr, data_range), atol=1e-4, rtol=1e-5
        )


def test_psnr_of_a_constant_error():
    hr = torch.zeros(1, 2, 4, 4)
    for error, decibels in ((1, 0.0), (0.1, 20.0), (0.001, 60.0), (10, -20.0), (0, torch.inf)):
        assert PSNR()(hr + error, hr, scoring()).item() == pytest.approx(decibels, abs=1e-4)


@each
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 999), share=st.floats(0.05, 0.95))
def test_counts_valid_pixels_alone(metric, seed, share):
    sr, hr = random(2, 3, 8, 9, seed=seed), random(2, 3, 8, 9, seed=seed + 1000)
    valid = random(2, 1, 8, 9, seed=seed + 2000) < share
    valid[:, :, 0, 0] = True
    result = metric(sr, torch.where(valid, hr, torch.nan), scoring(valid=valid))
    for image, shown in enumerate(valid[:, 0]):
        alone = expected(metric, sr[image][None, :, shown], hr[image][None, :, shown])
        torch.testing.assert_close(result[image], alone[0], atol=1e-4, rtol=1e-5)


@each
def test_image_without_valid_pixels_is_nan_alone(metric):
    assert_hidden_image_is_nan_alone(metric, 2, 1, 4, 4)


@each
def test_broken_pixel_of_sr_is_not_left_out(metric):
    assert_broken_pixel_is_not_left_out(metric, 2, 3, 4, 4)


@pytest.mark.parametrize("kind", [MAE, RMSE])
def test_errors_per_band_are_those_of_the_bands_alone(kind):
    sr, hr, names = random(2, 3, 6, 5), random(2, 3, 6, 5, seed=1), ("B04", "B03", "B08")
    given = scoring(valid=random(2, 1, 6, 5, seed=2) < 0.7, channel_names=names)
    result = kind(per_band=True)(sr, hr, given)
    assert list(result) == ["", *names]
    torch.testing.assert_close(result[""], kind()(sr, hr, given))
    for band, name in enumerate(names):
        one = slice(band, band + 1)
        torch.testing.assert_close(result[name], kind()(sr[:, one], hr[:, one], given))


@pytest.mark.parametrize("kind", [MAE, RMSE])
def test_errors_per_band_need_a_name_for_each(kind):
    hr = random(1, 3, 4, 4)
    for names in (("red", "red", "nir"), ("red", "green"), ("red", "red", "green", "nir")):
        message = (
            f"errors per band need a name of its own for each of the 3 channels; got {names}. "
            "Set per_band=false, or name the bands in the data."
        )
        with pytest.raises(ValueError, match=re.escape(message)):
            kind(per_band=True)(hr, hr, scoring(channel_names=names))


def test_direction_of_better():
    assert [metric.higher_is_better for metric in METRICS] == [True, False, False]
