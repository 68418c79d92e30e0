"""How the power of an image is spread over frequencies."""

from __future__ import annotations

import torch
from torch import Tensor

from srlab.metrics.protocol import View
from srlab.mistakes import Mistake


class SpectrumDistance:
    """Log-spectral distance: the root mean square over frequencies of ``10 log10(P_hr / P_sr)``, in dB.

    `P` is the power spectrum averaged over rings (shells in 3D), a ring for each whole number of cycles along the
    shortest axis, from 1 to the Nyquist frequency; frequencies are in cycles per pixel, whatever the pixel's size.
    Phase does not enter: texture that is right in strength but not in place scores 0. The form is that of speech
    coding (Gray & Markel 1976), on power averaged over orientations (van der Schaaf & van Hateren 1996).

    Images ``(B, C, *S)`` to ``(B,)``, the mean over channels. The mean is taken off and a Hann window laid over each
    image, since the borders of a photograph do not meet; hidden pixels are set to the mean of the others in both.
    White noise of standard deviation `noise_floor`, a share of the data range, is added to both spectra, so that
    frequencies without any power stay finite; the default is below what 8 bits resolve.
    """

    higher_is_better = False

    def __init__(self, *, noise_floor: float = 1e-4) -> None:
        if not noise_floor > 0:
            raise Mistake(f"noise_floor is {noise_floor}; it must be above 0, as 1e-4.")
        self.noise_floor = noise_floor

    def __call__(self, sr: Tensor, hr: Tensor, view: View) -> Tensor:
        """Compare each image of a batch over its valid pixels."""
        if min(hr.shape[2:]) < 4:
            raise Mistake(
                f"a power spectrum needs at least 4 pixels a side; got {tuple(hr.shape[2:])}. Leave this metric out."
            )
        window = _hann(hr)
        if view.valid is not None:
            window = torch.where(view.valid, window, 0.0)
        floor = (self.noise_floor * view.data_range) ** 2
        ours, theirs = (10 * torch.log10(_ring_power(image, window) + floor) for image in (sr, hr))
        return (ours - theirs).square().mean(dim=2).sqrt().mean(dim=1)


def _hann(image: Tensor) -> Tensor:
    """The window ``(1, 1, *S)``, without the two zeros at its ends."""
    window = torch.ones((1,) * image.ndim, dtype=image.dtype, device=image.device)
    for axis, size in enumerate(image.shape[2:], start=2):
        along = torch.hann_window(size + 2, periodic=False, dtype=image.dtype, device=image.device)[
            1:-1
        ]
        window = window * along.view([-1 if other == axis else 1 for other in range(image.ndim)])
    return window


def _ring_power(image: Tensor, window: Tensor) -> Tensor:
    """Mean power on rings, ``(B, C, rings)``; white noise of variance v has power v on each."""
    axes = tuple(range(2, image.ndim))
    image = torch.where(window > 0, image, 0.0)
    weight = window.sum(dim=axes, keepdim=True)
    centred = image - (image * window).sum(dim=axes, keepdim=True) / weight
    power = torch.fft.fftn(centred * window, dim=axes).abs().square() / window.square().sum(
        dim=axes, keepdim=True
    )
    ring, rings = _ring_numbers(image)
    sums = torch.zeros(*image.shape[:2], rings + 2, dtype=power.dtype, device=power.device)
    sums.index_add_(2, ring, power.flatten(2))
    return (sums / torch.bincount(ring, minlength=rings + 2))[..., 1:-1]


def _ring_numbers(image: Tensor) -> tuple[Tensor, int]:
    """The ring of each frequency, flat, and how many there are; beyond the last is one for the corners."""
    size = image.shape[2:]
    frequencies = torch.meshgrid(
        *(torch.fft.fftfreq(n, dtype=torch.float64) for n in size), indexing="ij"
    )
    radius = torch.stack(frequencies).square().sum(dim=0).sqrt()
    rings = min(size) // 2
    return (radius * min(size)).round().long().clamp(max=rings + 1).flatten().to(
        image.device
    ), rings
