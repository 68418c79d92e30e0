"""Random blur kernels of photographs (Wang et al. 2021, Real-ESRGAN, sec. 3.1 and 3.3)."""

from __future__ import annotations

from math import cos, pi, sin

import torch
from torch import Tensor

from srlab.degradations.draws import Draws
from srlab.degradations.ranges import Range

SIZE = 21
"""Pixels a side; smaller kernels are surrounded by zeros."""

SIZES = tuple(range(7, SIZE + 1, 2))
SINC_SHARE = 0.1
SHAPES = {"gaussian": 0.7, "generalised": 0.15, "plateau": 0.15}
ISOTROPIC_SHARES = {"gaussian": 9 / 14, "generalised": 0.8, "plateau": 0.8}
EXPONENTS = {"gaussian": (1.0, 1.0), "generalised": (0.5, 4.0), "plateau": (1.0, 2.0)}


def blur_kernel(draws: Draws, sigma: Range) -> Tensor:
    """Draw ``(1, 21, 21)``: a Gaussian, a generalised one, one with a plateau, or a sinc."""
    if draws.happens(SINC_SHARE):
        return ringing_kernel(draws)
    size = draws.one_of(SIZES)
    shape = draws.weighted(SHAPES)
    horizontal = vertical = draws.uniform(sigma)
    angle = 0.0
    if not draws.happens(ISOTROPIC_SHARES[shape]):
        vertical = draws.uniform(sigma)
        angle = draws.uniform((-pi, pi))
    exponent = draws.uniform(EXPONENTS[shape])
    distance = _squared_distance(size, horizontal, vertical, angle) ** exponent
    if shape == "plateau":
        return _padded(1 / (1 + distance))
    return _padded(torch.exp(-0.5 * distance))


def ringing_kernel(draws: Draws) -> Tensor:
    r"""Draw a low-pass filter ``(1, 21, 21)`` that rings: a circular sinc.

    It is :math:`\omega J_1(\omega r) / (2 \pi r)` with a cutoff :math:`\omega` (eq. 6).
    """
    size = draws.one_of(SIZES)
    lowest = pi / 3 if size < 13 else pi / 5
    cutoff = draws.uniform((lowest, pi))
    places = torch.arange(size, dtype=torch.float64) - size // 2
    radius = torch.hypot(places[:, None], places[None])
    centre = radius == 0
    safe = torch.where(centre, 1.0, radius)
    rings = cutoff * torch.special.bessel_j1(cutoff * safe) / (2 * pi * safe)
    return _padded(torch.where(centre, cutoff**2 / (4 * pi), rings))


def _squared_distance(size: int, horizontal: float, vertical: float, angle: float) -> Tensor:
    """Return the squared distance from the centre in standard deviations along turned axes."""
    places = torch.arange(size, dtype=torch.float64) - size // 2
    y, x = places[:, None], places[None]
    along = (cos(angle) * x + sin(angle) * y) / horizontal
    across = (cos(angle) * y - sin(angle) * x) / vertical
    return along**2 + across**2


def _padded(kernel: Tensor) -> Tensor:
    margin = (SIZE - len(kernel)) // 2
    padded = torch.nn.functional.pad(kernel / kernel.sum(), (margin,) * 4)
    return padded[None]
