"""The angle between spectra, blind to brightness."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from srlab.losses.context import Context
from srlab.mistakes import Mistake

_DARK = 1e-6
"""The length of a spectrum, in data ranges, up to which it has no direction: derivatives grow as its inverse."""


class SpectralAngle(nn.Module):
    """Angle between the spectra of SR and HR, in radians (Kruse et al. 1993, eq. 2).

    Both are ``(B, C, *S)`` with ``C >= 2``, in physical units: scaling a spectrum leaves its angle to others alone,
    which a shift by a normaliser would not. The map is ``(B, 1, *S)``, from 0 to pi. A pixel whose spectrum is zero
    in either, or shorter than a millionth of the data range, counts as angle zero.

    For unit vectors u and v it is ``2 atan2(|u - v|, |u + v|)`` (Kahan 2006, §12), which keeps the digits of small
    angles that an arc cosine loses, and whose derivative by u and v is bounded.
    """

    space = "physical"

    def forward(self, sr: Tensor, hr: Tensor, context: Context) -> Tensor:
        """Return the map of angles, ``(B, 1, *S)``."""
        channels = sr.shape[1]
        if channels < 2:
            raise Mistake(
                f"the spectral angle got images of {channels} channel; it needs at least 2: choose more data.bands, or "
                "leave spectral_angle out of loss=."
            )
        first, second = sr / context.data_range, hr / context.data_range
        bright = (_squared_length(first) > _DARK**2) & (_squared_length(second) > _DARK**2)
        u, v = _unit(first, bright), _unit(second, bright)
        return 2 * torch.atan2(_smooth_length(u - v), _smooth_length(u + v))


def _squared_length(spectrum: Tensor) -> Tensor:
    return spectrum.square().sum(dim=1, keepdim=True)


def _unit(spectrum: Tensor, bright: Tensor) -> Tensor:
    """Unit vectors; one same vector, without derivative, where not `bright`."""
    spectrum = torch.where(
        bright, spectrum, torch.ones((), dtype=spectrum.dtype, device=spectrum.device)
    )
    return spectrum * _squared_length(spectrum).rsqrt()


def _smooth_length(difference: Tensor) -> Tensor:
    """``d² / sqrt(d² + e²)``: the length d, but with derivative zero at zero; e is the rounding of a unit vector."""
    squared = _squared_length(difference)
    return squared * (squared + torch.finfo(difference.dtype).eps ** 2).rsqrt()
