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
    r"""Makes one axis of HR as blurred and as coarse as the z axis of a microscope's stack.

    This axis is the one whose scale is above 1. HR is a plane of the stack, whose axes are blurred
    only by the lateral point spread function (PSF). Along the one axis, HR is blurred by a Gaussian
    of the variance :math:`\sigma_z^2 - \sigma_{xy}^2`. Together the two blurs are the axial PSF
    (Weigert et al. 2018, CARE, Nature Methods 15, the split PSF). Then every `scale`-th place is
    sampled. A section is such a sample, not a mean over the distance to the next section.

    The PSF is that of `srlab.degradations.Microscope`, raised to a `power`: 1 for a wide-field
    microscope, and about 2 for a confocal or two-photon microscope. `pixel_size` is the size of HR
    pixels in micrometres. `wavelength` is in nanometres: one number, or one for each channel.
    Values are in any unit. The degradation is linear.

    Raises a `Mistake` unless exactly one axis has a scale above 1, all numbers are above 0, and the
    aperture is below the index.
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
        above_zero("pixel_size", [pixel_size])
        above_zero("power", [power])

        deviations = []
        for length in above_zero("wavelength", wavelength):
            lateral, axial = psf_deviations(length, numerical_aperture, refractive_index)
            # A power of a Gaussian is a Gaussian, whose variance is divided by the power.
            micrometres = sqrt((axial**2 - lateral**2) / power)
            deviations.append(micrometres / pixel_size)
        self._weights = _weights(deviations, self.scale[self.axis])

    def __call__(self, hr: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Degrade HR ``(B, C, *S·scale)`` to LR ``(B, C, *S)``; nothing here is random."""
        kernel = along(self._weights, self.axis, len(self.scale))
        return filtered(hr, kernel, self.scale)


def _weights(deviations: Sequence[float], factor: int) -> Tensor:
    """Return the weights of HR pixels: a Gaussian, integrated over each pixel.

    They are ``(len(deviations), K)``, with sum 1 in each row. The standard deviations are in HR
    pixels. K is odd if `factor` is odd, and even otherwise, as `filtered` needs it.
    """
    radius = ceil(REACH * max(deviations))
    size = 2 * radius + factor % 2
    edges = torch.arange(size + 1, dtype=torch.float64) - size / 2
    by_row = torch.tensor(deviations, dtype=torch.float64)[:, None]
    weights: Tensor = torch.special.ndtr(edges / by_row).diff(dim=1)
    return weights / weights.sum(dim=1, keepdim=True)
