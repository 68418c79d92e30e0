"""The distance between power spectra, which compares the strength of texture, but not its place."""

from __future__ import annotations

import torch
from torch import Tensor

from srlab.metrics.lengths import lengths
from srlab.metrics.protocol import ScoringContext
from srlab.metrics.resolution import rings_of
from srlab.mistakes import Mistake


class SpectrumDistance:
    """Log-spectral distance between SR and HR in dB (Gray & Markel 1976).

    It is the root mean square over frequencies of ``10 log10(P_hr / P_sr)``. `P` is the power
    spectrum, averaged over orientations in rings of equal frequency, or in shells for volumes (van
    der Schaaf & van Hateren 1996). There is one ring for each whole number of cycles along the
    shortest axis, from 1 to the Nyquist frequency of the finest axis. If the size of pixels is
    known, frequencies are physical, so voxels need not be cubes. The phase does not count. So
    texture of the right strength in the wrong place has a distance of 0.

    Images ``(B, C, *S)`` give ``(B,)``, the mean over channels. Images are not periodic, so their
    mean is subtracted and they are multiplied by a Hann window. Hidden pixels are set to the mean
    of the visible ones in both images.

    Both spectra get the power of white noise, so that the logarithm stays finite. Its standard
    deviation is `noise_floor`, as a share of the data range. The default is below the resolution of
    8 bits.

    Raises a `Mistake` for images of fewer than 4 pixels a side, or a `noise_floor` of 0 or less.
    """

    higher_is_better = False
    unit = "dB"

    def __init__(self, *, noise_floor: float = 1e-4) -> None:
        if not noise_floor > 0:
            raise Mistake(f"noise_floor is {noise_floor}; it must be above 0, for example 1e-4.")
        self.noise_floor = noise_floor

    def __call__(self, sr: Tensor, hr: Tensor, context: ScoringContext) -> Tensor:
        """Return the value of each image of a batch, over its valid pixels."""
        size = tuple(hr.shape[2:])
        if min(size) < 4:
            raise Mistake(
                f"a power spectrum needs at least 4 pixels a side; got {size}. Leave this metric "
                "out."
            )
        window = _hann(hr)
        if context.valid is not None:
            window = torch.where(context.valid, window, 0.0)

        known = lengths(context.axes)
        pixel_size = None if known is None else known.pixel
        ring, _, last = rings_of(size, pixel_size)
        ring = ring.to(hr.device)

        floor = (self.noise_floor * context.data_range) ** 2
        sr_power = _ring_power(sr, window, ring, last) + floor
        hr_power = _ring_power(hr, window, ring, last) + floor
        difference = 10 * torch.log10(sr_power) - 10 * torch.log10(hr_power)
        return difference.square().mean(dim=2).sqrt().mean(dim=1)


def _hann(image: Tensor) -> Tensor:
    """Return a Hann window ``(1, 1, *S)`` without the zeros at its two ends."""
    window = torch.ones((1,) * image.ndim, dtype=image.dtype, device=image.device)
    for axis, size in enumerate(image.shape[2:], start=2):
        hann = torch.hann_window(size + 2, periodic=False, dtype=image.dtype, device=image.device)
        shape = [1] * image.ndim
        shape[axis] = size
        window = window * hann[1:-1].view(shape)
    return window


def _ring_power(image: Tensor, window: Tensor, ring: Tensor, last: int) -> Tensor:
    """Return the mean power in each ring from 1 to `last`, ``(B, C, rings)``.

    White noise of variance v has the power v in each ring. `ring` is the ring of each Fourier
    coefficient, flat.
    """
    axes = tuple(range(2, image.ndim))
    image = torch.where(window > 0, image, 0.0)
    mean = (image * window).sum(axes, keepdim=True) / window.sum(axes, keepdim=True)
    spectrum = torch.fft.fftn((image - mean) * window, dim=axes)
    power = spectrum.abs().square() / window.square().sum(axes, keepdim=True)

    count = torch.bincount(ring, minlength=last + 2)
    sums = torch.zeros(*image.shape[:2], len(count), dtype=power.dtype, device=power.device)
    sums.index_add_(2, ring, power.flatten(2))
    return (sums / count)[..., 1:-1]
