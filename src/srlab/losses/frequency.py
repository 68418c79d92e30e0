"""The difference of amplitude spectra, which compares texture regardless of its exact place."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from srlab.losses.context import Context
from srlab.mistakes import Mistake

_SMOOTHING = 1e-6
"""The amplitude below which the derivative fades to zero, instead of jumping to the other sign."""


class Frequency(nn.Module):
    """Mean absolute difference between the amplitude spectra of SR and HR, over all frequencies.

    Images are ``(B, C, *S)`` in the network's range. Their Fourier transform runs over all spatial
    axes. It is orthonormal, so white noise has the same amplitude in the spectrum as in the image.

    If `alpha` is above zero, the difference at each frequency is multiplied by a weight. The weight
    is ``|F(sr) - F(hr)| ** alpha``, divided by its largest value in the same image and channel. So
    the frequencies that are most wrong count most. The weights pass no gradient. They are those of
    the focal frequency loss (Jiang et al. 2021, §3.3), which applies them to ``|F(sr) - F(hr)|²``.

    Hidden pixels are zero in both images, so the outline of the hidden area enters both spectra. An
    image without a valid pixel adds a difference of zero. The transform treats images as periodic,
    as if opposite borders touched.

    Raises a `Mistake` if `alpha` is negative.
    """

    def __init__(self, *, alpha: float = 0.0) -> None:
        super().__init__()
        if alpha < 0:
            raise Mistake(
                f"loss.frequency.term.alpha is {alpha}; it must be 0 (all frequencies alike) or "
                "more (hard ones first)."
            )
        self.alpha = alpha

    def forward(self, sr: Tensor, hr: Tensor, context: Context) -> Tensor:
        """Return the difference as a scalar."""
        axes = tuple(range(2, sr.ndim))
        sr_spectrum = torch.fft.rfftn(sr, dim=axes, norm="ortho")
        hr_spectrum = torch.fft.rfftn(hr, dim=axes, norm="ortho")
        difference = (_amplitude(sr_spectrum) - _amplitude(hr_spectrum)).abs()
        if self.alpha:
            distance = (sr_spectrum - hr_spectrum).detach().abs()
            difference = difference * self._weight(distance)
        return (difference * _multiplicity(sr)).sum() / sr.numel()

    def _weight(self, distance: Tensor) -> Tensor:
        """Return the weight of each frequency, in 0–1."""
        axes = tuple(range(2, distance.ndim))
        largest = distance.amax(dim=axes, keepdim=True)
        least = torch.finfo(largest.dtype).tiny
        return (distance / largest.clamp(min=least)) ** self.alpha


def _amplitude(spectrum: Tensor) -> Tensor:
    power = spectrum.real.square() + spectrum.imag.square()
    return (power + _SMOOTHING**2).sqrt()


def _multiplicity(image: Tensor) -> Tensor:
    """Return how often each frequency of the half spectrum occurs in the whole one: 1 or 2.

    The result has one number for each frequency of the last axis. The spectrum of a real image has
    the same amplitude at opposite frequencies, and ``rfftn`` keeps one of the two. Zero and the
    Nyquist frequency are their own opposites.
    """
    size = image.shape[-1]
    frequency = torch.arange(size // 2 + 1, device=image.device)
    own_opposite = (2 * frequency) % size == 0
    return 2 - own_opposite.to(image.dtype)
