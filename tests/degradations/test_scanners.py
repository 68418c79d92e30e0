from math import log, pi, sqrt

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter1d

from srlab.degradations import Area, KSpace, Rician, ThickSlices
from srlab.degradations.in_planes import InPlanes
from srlab.mistakes import Mistake


def image(*size, seed=0):
    random = torch.Generator().manual_seed(seed)
    return torch.rand(size, dtype=torch.float64, generator=random)


@pytest.mark.parametrize(("scale", "size"), [(2, 12), (3, 15)])
def test_kspace_is_cropped_as_numpy_crops_it_of_the_mirrored_image(scale, size):
    hr = image(1, 1, 2, size)
    lines = hr[0, 0].numpy()
    spectrum = np.fft.rfft(np.concatenate([lines, lines[:, ::-1]], axis=1))
    frequencies = np.arange(size // scale)  # below the LR Nyquist frequency
    centres = (np.arange(size // scale) + 0.5) * scale - 0.5
    waves = np.exp(1j * pi * np.outer(frequencies, centres) / size)
    waves[0] /= 2  # the mean has no negative frequency beside it
    expected = (spectrum[:, frequencies] @ waves).real / size
    lr = KSpace(scale=(1, scale))(hr)
    np.testing.assert_allclose(lr[0, 0].numpy(), expected, atol=1e-12)


@pytest.mark.parametrize(("share", "kept"), [(0.5, 1.0), (0.9, 1.0), (1.1, 0.0), (1.9, 0.0)])
def test_waves_below_the_nyquist_frequency_stay_and_others_vanish(share, kept):
    frequency = share / 4  # in cycles an HR pixel; the LR Nyquist frequency is 1/4 at scale 2
    centres = torch.arange(400, dtype=torch.float64) + 0.5
    lr_centres = 2 * (torch.arange(200, dtype=torch.float64) + 0.5)
    hr = torch.sin(2 * pi * frequency * centres).expand(1, 1, 2, -1)
    expected = kept * torch.sin(2 * pi * frequency * lr_centres)
    lr = KSpace(scale=(1, 2))(hr)[0, 0, 0]
    # the mirror at the ends bends a wave there
    torch.testing.assert_close(lr[40:-40], expected[40:-40], atol=0.04, rtol=0)


def test_rician_noise_has_the_moments_of_its_distribution():
    signal, deviation = 30.0, 10.0
    hr = torch.full((1, 1, 300, 300), signal)
    noise = Rician(sigma=0.1, full_scale=100.0)
    noisy = noise(hr, generator=torch.Generator().manual_seed(0)).double()
    # E[m²] = x² + 2 σ², and without a signal the mean is σ √(π/2)
    assert (noisy**2).mean() == pytest.approx(signal**2 + 2 * deviation**2, rel=0.01)
    empty = noise(torch.zeros_like(hr), generator=torch.Generator().manual_seed(1))
    assert empty.double().mean() == pytest.approx(deviation * sqrt(pi / 2), rel=0.01)


def test_box_without_a_gap_is_the_mean_of_its_slices():
    hr = image(1, 2, 12, 4, 5)
    lr = ThickSlices(scale=(3, 1, 1), profile="box", gap=0.0, spatial_dims=3)(hr)
    torch.testing.assert_close(lr, hr.view(1, 2, 4, 3, 4, 5).mean(dim=3))


@pytest.mark.parametrize(("across", "scale"), [(0, (3, 1, 1)), (1, (1, 3, 1)), (2, (1, 1, 3))])
def test_slices_made_in_planes_are_those_of_the_volume(across, scale):
    hr = image(2, 2, 6, 9, 12)
    profile = {"profile": "gaussian", "gap": 0.2}
    planes = InPlanes(ThickSlices(scale=(3, 1), **profile), across=across)
    assert planes.scale == scale
    expected = ThickSlices(scale=scale, spatial_dims=3, **profile)(hr)
    torch.testing.assert_close(planes(hr, generator=torch.Generator()), expected)


def test_gap_narrows_a_box_about_its_middle():
    hr = image(1, 1, 8, 3)
    middle = ThickSlices(scale=(4, 1), profile="box", gap=0.5)(hr)
    torch.testing.assert_close(middle, hr.view(1, 1, 2, 4, 3)[:, :, :, 1:3].mean(dim=3))
    # 3 pixels wide: half of the outer ones
    weights = torch.tensor([0.5, 1, 1, 0.5], dtype=torch.float64) / 3
    lr = ThickSlices(scale=(4, 1), profile="box", gap=0.25)(hr)
    expected = torch.einsum("abcde,d->abce", hr.view(1, 1, 2, 4, 3), weights)
    torch.testing.assert_close(lr, expected)


def test_gaussian_is_as_wide_at_half_its_height_as_a_slice_is_thick():
    hr = image(1, 1, 3, 45)
    lr = ThickSlices(scale=(1, 5), profile="gaussian", gap=0.2)(hr)
    deviation = 5 * 0.8 / (2 * sqrt(2 * log(2)))
    blurred = gaussian_filter1d(hr[0, 0].numpy(), deviation, mode="nearest", truncate=4.2)
    np.testing.assert_allclose(lr[0, 0].numpy(), blurred[:, 2::5], atol=1e-4)


def test_flat_images_stay_flat():
    hr = torch.full((1, 1, 12, 12), 7.0)
    for degradation in (
        KSpace(scale=3),
        ThickSlices(scale=(3, 1), profile="gaussian", gap=0.9),
    ):
        lr = degradation(hr)
        torch.testing.assert_close(lr, torch.full_like(lr, 7.0))
    assert torch.equal(
        Rician(sigma=0.0, full_scale=1.0)(hr, generator=torch.Generator()), Area(scale=1)(hr)
    )


def test_unfit_mri_degradations_are_refused():
    cases = [
        (lambda: ThickSlices(scale=2, profile="box", gap=0.0), r"scale is \(2, 2\); slices are"),
        (lambda: ThickSlices(scale=1, profile="box", gap=0.0), r"scale is \(1, 1\); slices are"),
        (lambda: ThickSlices(scale=(3, 1), profile="sinc", gap=0.0), "profile is 'sinc'; give one"),
        (lambda: ThickSlices(scale=(3, 1), profile="box", gap=1.0), "gap is 1.0; give the share"),
        (lambda: Rician(sigma=-0.1, full_scale=1.0), "sigma is -0.1; give a number from 0"),
        (lambda: Rician(sigma=0.1, full_scale=0.0), "full_scale is 0.0; give the largest value"),
        (lambda: KSpace(scale=3)(image(1, 1, 8, 8)), "cannot be shrunk by .* crop it to multiples"),
    ]
    for make, message in cases:
        with pytest.raises(Mistake, match=message):
            make()
