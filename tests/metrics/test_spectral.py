import math
import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_checks import (
    assert_broken_pixel_is_not_left_out,
    assert_hidden_image_is_nan_alone,
    scoring,
)
from metric_checks import random as uniform
from torchmetrics.functional.image import (
    error_relative_global_dimensionless_synthesis,
    spectral_angle_mapper,
)

from srlab.metrics.spectral import ERGAS, SpectralAngle

either = pytest.mark.parametrize("metric", [SpectralAngle(), ERGAS()], ids=["angle", "ergas"])


def random(*size, seed=0):
    return 0.1 + uniform(*size, seed=seed)


def spectra(*pixels):
    """One image, a spectrum for each pixel."""
    return torch.tensor(pixels, dtype=torch.float32).T[None, :, None]


def angle(sr, hr):
    return SpectralAngle()(sr, hr, scoring())


def test_angle_matches_torchmetrics_image_by_image():
    sr, hr = random(3, 4, 7, 6), random(3, 4, 7, 6, seed=1)
    theirs = spectral_angle_mapper(sr.double(), hr.double(), reduction="none")
    expected = theirs.flatten(1).mean(dim=1).rad2deg()
    torch.testing.assert_close(angle(sr, hr).double(), expected, atol=1e-4, rtol=0)


def test_angle_of_known_spectra():
    cases = [
        ((1, 0), (1, 1), 45.0),
        ((1, 0), (0, 3), 90.0),
        ((1, 2), (-2, -4), 180.0),
        ((3, 6), (1, 2), 0.0),
        ((1, 3**0.5), (1, 0), 60.0),
    ]
    for sr, hr, degrees in cases:
        assert angle(spectra(sr), spectra(hr)).item() == pytest.approx(degrees, abs=1e-4)


@pytest.mark.parametrize("radians", [1e-2, 1e-4, 1e-6])
def test_small_angles_are_not_lost(radians):
    found = angle(spectra((1, radians)), spectra((1, 0)))
    assert found.item() == pytest.approx(math.degrees(math.atan(radians)), rel=1e-3)


@settings(max_examples=15, deadline=None)
@given(exponents=st.tuples(st.integers(-30, 30), st.integers(-30, 30)))
def test_angle_is_blind_to_the_length_of_spectra(exponents):
    sr, hr = random(1, 5, 3, 4), random(1, 5, 3, 4, seed=1)
    scaled = angle(10.0 ** exponents[0] * sr, 10.0 ** exponents[1] * hr)
    torch.testing.assert_close(scaled, angle(sr, hr), atol=1e-3, rtol=0)


def test_pixels_of_hr_without_spectrum_are_left_out():
    sr, hr = spectra((1, 0), (1, 0)), spectra((1, 1), (0, 0))
    torch.testing.assert_close(angle(sr, hr), torch.tensor([45.0]))
    assert angle(sr, torch.zeros_like(hr)).isnan().all()


def test_pixels_of_sr_without_spectrum_are_orthogonal():
    torch.testing.assert_close(angle(spectra((0, 0)), spectra((1, 1))), torch.tensor([90.0]))


def test_angle_needs_two_channels():
    message = "a spectral angle needs two channels or more; got 1. Leave this metric out."
    with pytest.raises(ValueError, match=re.escape(message)):
        angle(random(1, 1, 4, 4), random(1, 1, 4, 4))


@pytest.mark.parametrize("scale", [2, 4])
def test_ergas_matches_torchmetrics_image_by_image(scale):
    sr, hr = random(3, 4, 7, 6), random(3, 4, 7, 6, seed=1)
    expected = error_relative_global_dimensionless_synthesis(sr, hr, ratio=scale, reduction="none")
    found = ERGAS()(sr, hr, scoring(scale=(scale, scale)))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=0)


def test_ergas_of_a_relative_error_per_band():
    """Errors of 10 and 20 % of the level: 100 / ratio · sqrt((0.1² + 0.2²) / 2) (Wald 2002)."""
    for scale, ratio in [((4, 4), 4), ((2, 8), 4), ((3, 1, 1), 3 ** (1 / 3)), ((2, 2, 2), 2)]:
        levels, factors = torch.tensor([50.0, 3000.0]), torch.tensor([1.1, 0.8])
        shape = (1, 2, *(1,) * len(scale))
        hr = levels.view(shape).expand(1, 2, *(6,) * len(scale))
        found = ERGAS()(hr * factors.view(shape), hr, scoring(scale=scale))
        expected = 100 / ratio * math.sqrt((0.1**2 + 0.2**2) / 2)
        assert found.item() == pytest.approx(expected, rel=1e-5)


def test_ergas_is_nan_where_a_band_has_no_level():
    hr = random(2, 3, 4, 4)
    hr[0, 1] = 0
    for sr in (hr, hr + 0.1):
        assert ERGAS()(sr, hr, scoring()).isnan().tolist() == [True, False]


@either
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 999), size=st.sampled_from([(2, 3, 4, 5, 3), (2, 3, 8, 9)]))
def test_counts_valid_pixels_alone(metric, seed, size):
    sr, hr = random(*size, seed=seed), random(*size, seed=seed + 1000)
    valid = random(2, 1, *size[2:], seed=seed + 2000) < 0.6
    valid.flatten(2)[..., 0] = True
    result = metric(sr, torch.where(valid, hr, torch.nan), scoring(valid=valid))
    for image, shown in enumerate(valid[:, 0]):
        alone = (values[image][None, :, None, shown] for values in (sr, hr))
        expected = metric(*alone, scoring())
        torch.testing.assert_close(result[image : image + 1], expected, rtol=1e-4, atol=0)


@either
def test_image_without_valid_pixels_is_nan_alone(metric):
    assert_hidden_image_is_nan_alone(metric, 2, 2, 4, 4)


@either
def test_broken_pixel_of_sr_is_not_left_out(metric):
    assert_broken_pixel_is_not_left_out(metric, 2, 3, 4, 4)


@either
def test_image_equals_itself(metric):
    hr = random(2, 3, 5, 5)
    assert metric(hr, hr.clone(), scoring()).tolist() == [0, 0]
    assert not metric.higher_is_better
