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

    The PSF is the Gaussian with the curvature of the Debye integral at its peak (Zhang et al. 2007,
    table 1, nonparaxial). It follows from three numbers: the emission `wavelength` in nanometres,
    one or one for each channel, the `numerical_aperture`, and the `refractive_index` of the
    immersion medium. Axes are y and x, or z, y and x. All are blurred, including those of scale 1.
    `pixel_size` is that of HR in micrometres, one or one for each axis. HR is taken as sharp.

    Then `gain` and `sigma` add shot noise and read noise, as `Noise` does. With both 0 the map is
    linear.

    Raises a `Mistake` if a number is not above 0, or the aperture is not below the index.
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
            only_here = [1] * dims
            only_here[axis] = factor
            deviations = [of_channel[axis] for of_channel in self._deviations]
            lr = filtered(lr, along(_taps(deviations, factor), axis, dims), only_here)
        return lr if self._noise is None else self._noise(lr, generator=generator)


def _taps(deviations: Sequence[float], factor: int) -> Tensor:
    """Return ``(len(deviations), K)`` weights with sum 1: a Gaussian, averaged over an LR pixel.

    The deviations are in HR pixels. The Gaussian is integrated over each HR pixel, which is right
    even if it is much narrower than a pixel.
    """
    half = ceil(REACH * max(deviations))
    edges = torch.arange(2 * half + 2, dtype=torch.float64) - half - 0.5
    widths = torch.tensor(deviations, dtype=torch.float64)[:, None]
    gaussians = torch.special.ndtr(edges / widths).diff(dim=1)
    shifted = [F.pad(gaussians, (at, factor - 1 - at)) for at in range(factor)]
    taps = torch.stack(shifted).sum(dim=0)
    return taps / taps.sum(dim=1, keepdim=True)
