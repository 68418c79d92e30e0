"""A fluorescence microscope: its optics, the pixels of its camera, and their noise."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import torch
import torch.nn.functional as F
from torch import Tensor

from srlab.axes import per_axis
from srlab.degradations.filtering import along, filtered
from srlab.degradations.noise import Noise
from srlab.degradations.psf import REACH, above_zero, psf_deviations
from srlab.mistakes import Mistake


class Microscope:
    r"""Blurs with a wide-field PSF, averages the HR pixels of each LR pixel, and adds noise.

    The point spread function (PSF) is a Gaussian with the curvature of the Debye integral at its
    peak (Zhang et al. 2007, table 1, nonparaxial). It depends on three numbers: the `wavelength` of
    the emitted light in nanometres, the `numerical_aperture`, and the `refractive_index` of the
    immersion medium. The wavelength is one number, or one for each channel.

    Axes are y and x, or z, y and x. All are blurred, including axes of scale 1. HR counts as sharp.
    `pixel_size` is the size of HR pixels in micrometres: one number, or one for each axis.

    Then `gain` and `sigma` add shot noise and read noise, as in `Noise`. If both are 0, the
    degradation is linear.

    Raises a `Mistake` if an optical number is not above 0, the aperture is not below the index, or
    the sizes do not fit the axes.
    """

    def __init__(
        self,
        *,
        scale: int | Sequence[int],
        pixel_size: float | Sequence[float],
        wavelength: float | Sequence[float],
        numerical_aperture: float,
        refractive_index: float,
        gain: float | Sequence[float] = 0.0,
        sigma: float | Sequence[float] = 0.0,
        spatial_dims: int = 2,
    ) -> None:
        self.scale = per_axis(scale, spatial_dims)
        sizes = above_zero("pixel_size", pixel_size)
        if len(sizes) == 1:
            sizes *= spatial_dims
        if len(sizes) != spatial_dims:
            raise Mistake(
                f"pixel_size is {pixel_size} and the images have {spatial_dims} axes; give "
                "micrometres, one number or one for each axis."
            )
        # The standard deviations in HR pixels: for each wavelength, one for each axis.
        self._deviations = []
        for length in above_zero("wavelength", wavelength):
            lateral, axial = psf_deviations(length, numerical_aperture, refractive_index)
            micrometres = [axial, lateral, lateral][-spatial_dims:]
            in_pixels = [width / size for width, size in zip(micrometres, sizes, strict=True)]
            self._deviations.append(in_pixels)
        self.linear = gain == 0 and sigma == 0
        self._noise = None
        if not self.linear:
            self._noise = Noise(gain=gain, sigma=sigma, spatial_dims=spatial_dims)

    def __call__(self, hr: Tensor, *, generator: torch.Generator) -> Tensor:
        """Degrade HR ``(B, C, *S·scale)`` to LR ``(B, C, *S)``; only noise is random."""
        dims = len(self.scale)
        lr = hr
        for axis, factor in enumerate(self.scale):
            scale_of_axis = [1] * dims
            scale_of_axis[axis] = factor
            deviations = [of_channel[axis] for of_channel in self._deviations]
            kernel = along(_weights(deviations, factor), axis, dims)
            lr = filtered(lr, kernel, scale_of_axis)
        if self._noise is None:
            return lr
        return self._noise(lr, generator=generator)


def _weights(deviations: Sequence[float], factor: int) -> Tensor:
    """Return the weights of HR pixels: a Gaussian, averaged over the `factor` pixels of LR.

    They are ``(len(deviations), K)``, with sum 1 in each row. The standard deviations are in HR
    pixels. The Gaussian is integrated over each HR pixel, so that it may be much narrower than one.
    """
    radius = ceil(REACH * max(deviations))
    edges = torch.arange(2 * radius + 2, dtype=torch.float64) - radius - 0.5
    by_row = torch.tensor(deviations, dtype=torch.float64)[:, None]
    gaussians = torch.special.ndtr(edges / by_row).diff(dim=1)

    shifted = [F.pad(gaussians, (shift, factor - 1 - shift)) for shift in range(factor)]
    weights = torch.stack(shifted).sum(dim=0)
    return weights / weights.sum(dim=1, keepdim=True)
