"""The point spread function of a microscope, as a Gaussian."""

from __future__ import annotations

from collections.abc import Sequence
from math import asin, cos, pi, sqrt

from srlab.mistakes import Mistake

REACH = 4.0
"""The radius of a Gaussian in standard deviations; 1/16 000 of the weight lies beyond."""


def psf_deviations(
    wavelength: float, numerical_aperture: float, refractive_index: float
) -> tuple[float, float]:
    """Return the lateral and axial standard deviation of a wide-field PSF, in micrometres.

    The formulas are from Zhang et al. 2007, table 1, nonparaxial. `wavelength` is in nanometres.

    Raises a `Mistake` if the aperture is not below the index.
    """
    if not 0 < numerical_aperture < refractive_index:
        raise Mistake(
            f"numerical_aperture is {numerical_aperture} and refractive_index is "
            f"{refractive_index}; the aperture is above 0 and below the index, which is 1 of "
            "air, 1.33 of water and 1.515 of oil."
        )
    wave_number = refractive_index * 2 * pi / (wavelength / 1000)
    half_angle = asin(numerical_aperture / refractive_index)
    c = cos(half_angle)
    light = 7 * (1 - c**1.5)
    lateral = sqrt(light / (4 - 7 * c**1.5 + 3 * c**3.5)) / wave_number
    spread = 4 * c**5 - 25 * c**3.5 + 42 * c**2.5 - 25 * c**1.5 + 4
    axial = 5 * light / (sqrt(42 * spread) * wave_number)
    return lateral, axial


def above_zero(name: str, given: float | Sequence[float]) -> list[float]:
    """Return one number or several as a list, and raise a `Mistake` unless all are above 0."""
    values = [float(given)] if isinstance(given, float | int) else list(map(float, given))
    if not values or not all(value > 0 for value in values):
        raise Mistake(f"{name} is {given}; give one number above 0, or a list of them.")
    return values
