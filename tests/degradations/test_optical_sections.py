from math import sqrt

import numpy as np
import pytest
import torch

from srlab.degradations import OpticalSections, adjoint
from srlab.degradations.psf import psf_deviations
from srlab.mistakes import Mistake

OPTICS = {"wavelength": 520, "numerical_aperture": 0.6, "refractive_index": 1.0, "power": 1}


def made(**changed):
    return OpticalSections(**{"scale": (4, 1), "pixel_size": 0.3, **OPTICS, **changed})


@pytest.mark.parametrize("factor", [3, 4])
def test_lateral_blur_and_what_is_added_are_the_axial_blur(factor):
    optics = made(scale=(1, factor), wavelength=[450, 650], power=2)
    lr = torch.zeros(1, 2, 1, 15, dtype=torch.float64)
    lr[..., 7] = 1
    footprint = adjoint(optics, lr)[0, :, 0].numpy()
    places = np.arange(footprint.shape[1])
    for profile, wavelength in zip(footprint, [450, 650], strict=True):
        lateral, axial = (each / sqrt(2) for each in psf_deviations(wavelength, 0.6, 1.0))
        centre = (profile * places).sum()
        assert centre == pytest.approx(7 * factor + (factor - 1) / 2)
        variance = (profile * (places - centre) ** 2).sum() - 1 / 12  # that of a pixel itself
        assert sqrt(variance * 0.3**2 + lateral**2) == pytest.approx(axial, rel=2e-3)


def test_sections_are_samples_and_no_means():
    """Of a PSF that is far narrower than a pixel, the middle pixel alone is left."""
    hr = torch.rand(1, 1, 15, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    sections = made(scale=(3, 1), pixel_size=100.0)
    torch.testing.assert_close(sections(hr), hr[:, :, 1::3], atol=1e-6, rtol=0)


def test_impossible_sections_are_refused():
    cases = [
        ({"scale": 4}, r"scale is \(4, 4\); sections are coarse along one axis, so set scale"),
        ({"power": 0}, r"power is \[0\]; give one number above 0"),
        ({"numerical_aperture": 1.2}, "numerical_aperture is 1.2 and refractive_index is 1.0"),
    ]
    for changed, message in cases:
        with pytest.raises(Mistake, match=message):
            made(**changed)
