"""The angle between the spectra of two images."""

from __future__ import annotations

import torch
from torch import Tensor


def spectral_angle(first: Tensor, second: Tensor, *, least: float = 0.0) -> Tensor:
    """Angle between the spectra of two images, in radians from 0 to pi (Kruse et al. 1993, eq. 2).

    The images are ``(B, C, *S)`` and the angles are ``(B, 1, *S)``. The spectrum of a pixel is the
    vector of its channels. Where the length of one spectrum is at most `least`, the angle and its
    derivative are zero, since the direction is unknown.

    For unit vectors u and v the angle is ``2 atan2(|u - v|, |u + v|)`` (Kahan 2006, §12). Unlike an
    arc cosine, this form is precise for small angles. Its error is the rounding of a unit vector,
    1e-7 in float32 and 2e-16 in float64. Its derivative with respect to u and v is bounded.
    """
    first_is_dark = _squared_length(first) <= least**2
    second_is_dark = _squared_length(second) <= least**2
    dark = first_is_dark | second_is_dark
    u, v = _unit(first, dark), _unit(second, dark)
    return 2 * torch.atan2(_smooth_length(u - v), _smooth_length(u + v))


def _squared_length(spectrum: Tensor) -> Tensor:
    return spectrum.square().sum(dim=1, keepdim=True)


def _unit(spectrum: Tensor, dark: Tensor) -> Tensor:
    """Return unit vectors; where `dark`, they are all equal and have no derivative."""
    spectrum = torch.where(dark, 1.0, spectrum)
    return spectrum * _squared_length(spectrum).rsqrt()


def _smooth_length(difference: Tensor) -> Tensor:
    """Return the length d as ``d² / sqrt(d² + e²)``, whose derivative at zero is zero.

    Here e is the rounding error of a unit vector.
    """
    squared = _squared_length(difference)
    return squared * (squared + torch.finfo(difference.dtype).eps ** 2).rsqrt()
