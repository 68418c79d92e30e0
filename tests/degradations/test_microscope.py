from math import asin, pi

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.special import j0

from srlab.degradations import Microscope, adjoint
from srlab.degradations.psf import psf_deviations
from srlab.mistakes import Mistake

OBJECTIVES = [(520, 0.3, 1.0), (610, 0.95, 1.0), (450, 1.2, 1.33), (520, 1.4, 1.515)]


def debye(radius, depth, wavelength, aperture, index):
    """Intensity of the Debye integral with the apodisation of an aplanatic lens."""
    k = 2 * pi * index / (wavelength / 1000)

    def amplitude(part):
        def wave(angle):
            weight = np.sqrt(np.cos(angle)) * np.sin(angle)
            return weight * j0(k * radius * np.sin(angle)) * part(k * depth * np.cos(angle))

        return quad(wave, 0, asin(aperture / index), epsabs=1e-13)[0]

    return amplitude(np.cos) ** 2 + amplitude(np.sin) ** 2


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_gaussian_falls_from_its_peak_as_the_debye_integral(objective):
    lateral, axial = psf_deviations(*objective)
    peak = debye(0, 0, *objective)
    step = 0.05
    fallen = debye(step * lateral, 0, *objective), debye(0, step * axial, *objective)
    expected = np.exp(-(step**2) / 2)
    np.testing.assert_allclose(np.divide(fallen, peak), expected, rtol=1e-6)


def test_small_apertures_have_the_paraxial_widths():
    lateral, axial = psf_deviations(500, 0.05, 1.33)
    k = 2 * pi / 0.5
    assert lateral == pytest.approx(np.sqrt(2) / (k * 0.05), rel=2e-3)
    assert axial == pytest.approx(2 * np.sqrt(6) * 1.33 / (k * 0.05**2), rel=2e-3)


def test_a_pixel_sees_the_psf_over_the_pixels_that_are_binned():
    optics = Microscope(
        scale=(1, 2, 3),
        pixel_size=[0.3, 0.1, 0.15],
        wavelength=[450, 650],
        numerical_aperture=0.9,
        refractive_index=1.0,
        spatial_dims=3,
    )
    lr = torch.zeros(1, 2, 15, 21, 21, dtype=torch.float64)
    lr[:, :, 7, 10, 10] = 1
    footprint = adjoint(optics, lr)[0].numpy()
    np.testing.assert_allclose(footprint.sum((1, 2, 3)), 1)
    for channel, wavelength in enumerate([450, 650]):
        lateral, axial = psf_deviations(wavelength, 0.9, 1.0)
        sides = zip((axial, lateral, lateral), (0.3, 0.1, 0.15), (1, 2, 3), strict=True)
        for axis, (deviation, size, factor) in enumerate(sides):
            others = tuple({0, 1, 2} - {axis})
            profile = footprint[channel].sum(others)
            places = np.arange(len(profile))
            centre = (profile * places).sum()
            # variances add up: the Gaussian's, that of a pixel, and that of binned pixels
            expected = (deviation / size) ** 2 + 1 / 12 + (factor**2 - 1) / 12
            assert (profile * (places - centre) ** 2).sum() == pytest.approx(expected, rel=2e-3)


def made(**changed):
    settings = {"scale": 2, "pixel_size": 0.1, "wavelength": 520, "numerical_aperture": 0.9}
    return Microscope(**{**settings, "refractive_index": 1.0, **changed})


def test_noise_has_the_variance_of_shots_and_reading():
    noisy = made(gain=2.0, sigma=3.0)
    assert (noisy.linear, made().linear) == (False, True)
    flat = torch.full((1, 1, 600, 600), 50.0, dtype=torch.float64)
    lr = noisy(flat, generator=torch.Generator().manual_seed(0))
    assert float(lr.mean()) == pytest.approx(50, rel=0.01)
    assert float(lr.var()) == pytest.approx(2 * 50 + 3**2, rel=0.03)


def test_impossible_optics_are_refused():
    cases = [
        ({"numerical_aperture": 1.2}, "numerical_aperture is 1.2 and refractive_index is 1.0"),
        ({"pixel_size": [1, 1, 1]}, r"pixel_size is \[1, 1, 1\] and the images have 2 axes"),
        ({"pixel_size": 0}, "pixel_size is 0; give one number above 0"),
        ({"wavelength": []}, r"wavelength is \[\]; give one number above 0"),
    ]
    for changed, message in cases:
        with pytest.raises(Mistake, match=message):
            made(**changed)
