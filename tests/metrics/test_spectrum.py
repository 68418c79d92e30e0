import re

import numpy as np
import pytest
import torch

from srlab.metrics import View
from srlab.metrics.spectrum import SpectrumDistance


def noise(*size, seed=0):
    return torch.randn(size, generator=torch.Generator().manual_seed(seed))


def distance(sr, hr, *, valid=None, data_range=1.0, **options):
    view = View(
        lr=hr, valid=valid, scale=(2,) * (hr.ndim - 2), data_range=data_range, channels=(), pixel_size=None,
        degrade=lambda image: image,
    )  # fmt: skip
    return SpectrumDistance(**options)(sr, hr, view)


def ring_power(image, valid, floor):
    """One channel, ring by ring."""
    hann = np.ones(())
    for n in image.shape:
        hann = np.multiply.outer(hann, np.sin(np.pi * np.arange(1, n + 1) / (n + 1)) ** 2)
    hann = hann * valid
    centred = np.where(valid, image - np.average(image, weights=hann), 0)
    power = np.abs(np.fft.fftn(centred * hann)) ** 2 / (hann**2).sum()
    frequency = np.sqrt(
        sum(f**2 for f in np.meshgrid(*map(np.fft.fftfreq, image.shape), indexing="ij"))
    )
    rings = np.rint(frequency * min(image.shape))
    return (
        np.array([power[rings == ring].mean() for ring in range(1, min(image.shape) // 2 + 1)])
        + floor**2
    )


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("size", [(2, 3, 16, 21), (1, 2, 6, 9, 8)], ids=str)
def test_matches_rings_summed_in_numpy(size, masked):
    sr, hr = 40 * noise(*size), 90 * noise(*size, seed=1) + 500
    valid = (
        noise(size[0], 1, *size[2:], seed=2) < 1
        if masked
        else torch.ones(size[0], 1, *size[2:], dtype=torch.bool)
    )
    expected = []
    for s, h, v in zip(sr.double().numpy(), hr.double().numpy(), valid.numpy(), strict=True):
        levels = [
            10 * np.log10(ring_power(h[band], v[0], 0.3) / ring_power(s[band], v[0], 0.3))
            for band in range(size[1])
        ]
        expected.append(np.mean([np.sqrt(np.mean(level**2)) for level in levels]))
    hidden = torch.where(valid, hr, torch.nan)
    result = distance(
        sr, hidden, valid=valid if masked else None, data_range=3000, noise_floor=1e-4
    )
    torch.testing.assert_close(result, torch.tensor(expected).float(), atol=1e-3, rtol=0)


@pytest.mark.parametrize("size", [(2, 1, 32, 40), (1, 2, 12, 10, 16)], ids=str)
@pytest.mark.parametrize(("factor", "decibels"), [(10, 20), (2, 6.0206), (0.5, 6.0206), (1, 0)])
def test_distance_of_a_factor_is_its_level(size, factor, decibels):
    hr = noise(*size)
    expected = torch.full((size[0],), float(decibels))
    torch.testing.assert_close(distance(factor * hr, hr), expected, atol=1e-3, rtol=0)


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
    """Against a flat SR the distance is that of HR's variance from the floor, 40 dB, but for the estimate's spread."""
    hr = 0.01 * data_range * noise(1, 1, 256, 256)
    assert distance(torch.zeros_like(hr), hr, data_range=data_range).item() == pytest.approx(
        40, abs=0.3
    )


def test_flat_images_are_finite_and_equal():
    flat = torch.full((1, 2, 8, 8), 10_000.0)
    assert distance(flat, flat + 5, data_range=10_000).item() == pytest.approx(0, abs=0.1)
    assert distance(flat, noise(1, 2, 8, 8)).isfinite().all()


def test_image_without_valid_pixels_is_nan_alone():
    hr = noise(2, 1, 8, 8)
    valid = torch.ones(2, 1, 8, 8, dtype=torch.bool)
    valid[1] = False
    assert distance(hr, hr, valid=valid).isnan().tolist() == [False, True]


def test_refuses_images_without_frequencies_and_floors_of_nothing():
    message = "a power spectrum needs at least 4 pixels a side; got (3, 8). Leave this metric out."
    with pytest.raises(ValueError, match=re.escape(message)):
        distance(noise(1, 1, 3, 8), noise(1, 1, 3, 8))
    with pytest.raises(
        ValueError, match=re.escape("noise_floor is 0; it must be above 0, as 1e-4.")
    ):
        SpectrumDistance(noise_floor=0)
