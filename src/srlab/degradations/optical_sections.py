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
    r"""Blurs HR along the one axis whose scale is above 1, and takes samples of it there.

    A plane of a stack is blurred by the lateral PSF already. What is added is the Gaussian that
    makes the axial PSF of it (Weigert et al. 2018, CARE, Nature Methods 15, the split PSF): its
    variance is :math:`\sigma_z^2 - \sigma_{xy}^2`. A section is a sample between its neighbours and
    no mean over their distance.

    The PSF is that of `srlab.degradations.Microscope`, to the given `power`: a confocal or
    two-photon microscope sees about its square. `pixel_size` is that of HR in micrometres, and
    `wavelength` is in nanometres, one or one for each channel. The map is linear.

    Raises a `Mistake` if not exactly one axis has a scale above 1. It does so, too, if a number is
    not above 0, or the aperture not below the index.
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
        for each in above_zero("wavelength", wavelength):
            lateral, axial = psf_deviations(each, numerical_aperture, refractive_index)
            deviations.append(sqrt((axial**2 - lateral**2) / times) / size)
        self._taps = _taps(deviations, self.scale[self.axis])

    def __call__(self, hr: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """HR ``(B, C, *S·scale)`` to LR ``(B, C, *S)``; nothing here is random."""
        return filtered(hr, along(self._taps, self.axis, len(self.scale)), self.scale)


def _taps(deviations: Sequence[float], factor: int) -> Tensor:
    """Return ``(len(deviations), K)`` weights in sum 1: a Gaussian, integrated over each HR pixel.

    It lies in the middle of `factor` HR pixels, whose number decides whether K is odd.
    """
    size = 2 * ceil(REACH * max(deviations)) + factor % 2
    edges = torch.arange(size + 1, dtype=torch.float64) - size / 2
    widths = torch.tensor(deviations, dtype=torch.float64)[:, None]
    taps: Tensor = torch.special.ndtr(edges / widths).diff(dim=1)
    return taps / taps.sum(dim=1, keepdim=True)
