"""Optical sections: stacks that are coarser and more blurred along z than in their planes."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, sqrt

import torch
from torch import Tensor

from srlab.axes import per_axis
from srlab.degradations.filtering import along, filtered
from srlab.degradations.psf import REACH, above_zero, psf_deviations
from srlab.mistakes import Mistake


class OpticalSections:
    r"""Blurs HR along the one axis whose scale is above 1, and samples it there.

    Planes of a stack are already blurred by the lateral PSF. This adds the Gaussian that widens it
    to the axial PSF (Weigert et al. 2018, CARE, Nature Methods 15, the split PSF). The variance of
    this Gaussian is :math:`\sigma_z^2 - \sigma_{xy}^2`. A section is a sample at its place, not a
    mean over the distance to its neighbours.

    The PSF is that of `srlab.degradations.Microscope`, raised to the given `power`: 1 for a
    wide-field microscope, about 2 for a confocal or two-photon one. `pixel_size` is that of HR in
    micrometres. `wavelength` is in nanometres, one or one for each channel. The map is linear.

    Raises a `Mistake` if not exactly one axis has a scale above 1, a number is not above 0, or the
    aperture is not below the index.
    """

    linear = True

    def __init__(
        self,
        *,
        scale: int | Sequence[int],
        pixel_size: float,
        wavelength: float | Sequence[float],
        numerical_aperture: float,
        refractive_index: float,
        power: float,
        spatial_dims: int = 2,
    ) -> None:
        self.scale = per_axis(scale, spatial_dims)
        coarse = [axis for axis, factor in enumerate(self.scale) if factor > 1]
        if len(coarse) != 1:
            raise Mistake(
                f"scale is {self.scale}; sections are coarse along one axis, so set scale=[4,1], "
                "or scale=[4,1,1] with spatial_dims=3."
            )
        (self.axis,) = coarse
        (size,) = above_zero("pixel_size", [pixel_size])
        (times,) = above_zero("power", [power])
        deviations = []
        for length in above_zero("wavelength", wavelength):
            lateral, axial = psf_deviations(length, numerical_aperture, refractive_index)
            deviations.append(sqrt((axial**2 - lateral**2) / times) / size)
        self._taps = _taps(deviations, self.scale[self.axis])

    def __call__(self, hr: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Degrade HR ``(B, C, *S·scale)`` to LR ``(B, C, *S)``; nothing here is random."""
        return filtered(hr, along(self._taps, self.axis, len(self.scale)), self.scale)


def _taps(deviations: Sequence[float], factor: int) -> Tensor:
    """Return ``(len(deviations), K)`` weights with sum 1: a Gaussian, integrated over HR pixels.

    It is centred on `factor` HR pixels, so K is odd if `factor` is.
    """
    size = 2 * ceil(REACH * max(deviations)) + factor % 2
    edges = torch.arange(size + 1, dtype=torch.float64) - size / 2
    widths = torch.tensor(deviations, dtype=torch.float64)[:, None]
    taps: Tensor = torch.special.ndtr(edges / widths).diff(dim=1)
    return taps / taps.sum(dim=1, keepdim=True)
