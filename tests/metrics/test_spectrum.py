import re

import numpy as np
import pytest
import torch
from metric_checks import assert_hidden_image_is_nan_alone, noise, scoring

from srlab.io import Axis
from srlab.metrics.spectrum import SpectrumDistance


def distance(sr, hr, *, valid=None, data_range=1.0, axes=(), **options):
    given = scoring(valid=valid, data_range=data_range, axes=axes)
    return SpectrumDistance(**options)(sr, hr, given)


def ring_power(image, valid, floor, pixels):
    """One channel, ring by ring."""
    hann = np.ones(())
    for n in image.shape:
        hann = np.multiply.outer(hann, np.sin(np.pi * np.arange(1, n + 1) / (n + 1)) ** 2)
    hann = hann * valid
    centred = np.where(valid, image - np.average(image, weights=hann), 0)
    power = np.abs(np.fft.fftn(centred * hann)) ** 2 / (hann**2).sum()
    axes = np.meshgrid(*map(np.fft.fftfreq, image.shape, pixels), indexing="ij")
    shortest = min(np.multiply(image.shape, pixels))
    rings = np.rint(np.linalg.norm(axes, axis=0) * shortest)
    last = int(shortest / min(pixels)) // 2
    means = [power[rings == ring].mean() for ring in range(1, last + 1)]
    return np.array(means) + floor**2


@pytest.mark.parametrize(
    ("size", "pixels"),
    [((2, 3, 16, 21), None), ((1, 2, 6, 9, 8), None), ((1, 1, 6, 20, 18), (4, 1, 2))],
    ids=str,
)
def test_matches_rings_summed_in_numpy(size, pixels):
    for masked in [False, True]:
        sr, hr = 40 * noise(*size), 90 * noise(*size, seed=1) + 500
        valid, given = torch.ones(size[0], 1, *size[2:], dtype=torch.bool), {}
        if masked:
            valid = noise(*valid.shape, seed=2) < 1
            given = {"valid": valid}
        expected = []
        for s, h, v in zip(sr.double().numpy(), hr.double().numpy(), valid.numpy(), strict=True):
            distances = []
            for ours, theirs in zip(s, h, strict=True):
                one = pixels or (1,) * theirs.ndim
                powers = [ring_power(image, v[0], 0.3, one) for image in (theirs, ours)]
                level = 10 * np.log10(powers[0] / powers[1])
                distances.append(np.sqrt(np.mean(level**2)))
            expected.append(np.mean(distances))
        hidden = torch.where(valid, hr, torch.nan)
        if pixels:
            given["axes"] = tuple(
                Axis("xyz"[number], float(size), "mm") for number, size in enumerate(pixels)
            )
        result = distance(sr, hidden, data_range=3000, noise_floor=1e-4, **given)
        np.testing.assert_allclose(result, expected, atol=1e-3, rtol=0)


@pytest.mark.parametrize("size", [(2, 1, 32, 40), (1, 2, 12, 10, 16)], ids=str)
def test_distance_of_a_factor_is_its_level(size):
    hr = noise(*size)
    for factor, decibels in ((10, 20.0), (2, 6.0206), (0.5, 6.0206), (1, 0.0)):
        np.testing.assert_allclose(distance(factor * hr, hr), decibels, atol=1e-3)


def test_place_and_offset_of_texture_do_not_count():
    hr = noise(1, 1, 64, 64)
    assert distance(hr.flip(2) + 300, hr, data_range=1000, noise_floor=1e-6) < 0.01


def test_blur_is_a_lack_of_power():
    hr = noise(1, 1, 64, 64)
    blurred = torch.nn.functional.avg_pool2d(hr, 3, stride=1, padding=1)
    more = torch.nn.functional.avg_pool2d(hr, 5, stride=1, padding=2)
    assert 3 < distance(blurred, hr) < distance(more, hr)


@pytest.mark.parametrize("data_range", [1.0, 1000.0])
def test_white_noise_has_its_variance_on_every_frequency(data_range):
    """Beside a flat SR the distance is that of HR's variance from the floor, 40 dB.

    The estimate's spread is within 0.3 dB.
    """
    hr = 0.01 * data_range * noise(1, 1, 256, 256)
    found = distance(torch.zeros_like(hr), hr, data_range=data_range)
    assert found.item() == pytest.approx(40, abs=0.3)


def test_flat_images_are_finite_and_equal():
    flat = torch.full((1, 2, 8, 8), 10_000.0)
    assert distance(flat, flat + 5, data_range=10_000).item() == pytest.approx(0, abs=0.1)
    assert distance(flat, noise(1, 2, 8, 8)).isfinite().all()


def test_image_without_valid_pixels_is_nan_alone():
    assert_hidden_image_is_nan_alone(SpectrumDistance(), 2, 1, 8, 8)


def test_refuses_images_without_frequencies_and_floors_of_nothing():
    message = "a power spectrum needs at least 4 pixels a side; got (3, 8). Leave this metric out."
    with pytest.raises(ValueError, match=re.escape(message)):
        distance(noise(1, 1, 3, 8), noise(1, 1, 3, 8))
    message = "noise_floor is 0; it must be above 0, for example 1e-4."
    with pytest.raises(ValueError, match=re.escape(message)):
        SpectrumDistance(noise_floor=0)
