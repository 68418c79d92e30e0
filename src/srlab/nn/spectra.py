"""The angle between spectra."""

from __future__ import annotations

import torch
from torch import Tensor


def spectral_angle(first: Tensor, second: Tensor, *, least: float = 0.0) -> Tensor:
    """Angle between the spectra of two images, in radians from 0 to pi (Kruse et al. 1993, eq. 2).

    The images are ``(B, C, *S)`` and the angles ``(B, 1, *S)``. A spectrum no longer than `least`
    has no direction. The angle there is zero, and so is its derivative.

    For unit vectors u and v the angle is ``2 atan2(|u - v|, |u + v|)`` (Kahan 2006, §12). This form
    keeps the digits of small angles, which an arc cosine loses. It is exact down to the rounding of
    a unit vector: 1e-7 in float32, 2e-16 in float64. Its derivative by u and v is bounded.
    """
    dark = (_squared_length(first) <= least**2) | (_squared_length(second) <= least**2)
    u, v = _unit(first, dark), _unit(second, dark)
    return 2 * torch.atan2(_smooth_length(u - v), _smooth_length(u + v))


def _squared_length(spectrum: Tensor) -> Tensor:
    return spectrum.square().sum(dim=1, keepdim=True)


def _unit(spectrum: Tensor, dark: Tensor) -> Tensor:
    """Unit vectors, and one same vector without a derivative where `dark`."""
    spectrum = torch.where(dark, 1.0, spectrum)
    return spectrum * _squared_length(spectrum).rsqrt()


def _smooth_length(difference: Tensor) -> Tensor:
    """The length d as ``d² / sqrt(d² + e²)``, whose derivative at zero is zero.

    Here e is the rounding of a unit vector.
    """
    squared = _squared_length(difference)
    return squared * (squared + torch.finfo(difference.dtype).eps ** 2).rsqrt()
