"""The difference of amplitude spectra: texture, blind to its exact place."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from srlab.losses.context import Context
from srlab.mistakes import Mistake

_SMOOTHING = 1e-6
"""Amplitude below which the derivative fades to zero, where otherwise it would change sign."""


class Frequency(nn.Module):
    """Mean absolute difference of the amplitude spectra of SR and HR, over all frequencies.

    The Fourier transform runs over all spatial axes and is orthonormal. So white noise has the same
    amplitude in the spectrum as in the image, in the network's range.

    With `alpha` above zero each frequency has the weight ``|F(sr) - F(hr)| ** alpha``, divided by
    the largest of its image and channel. Then frequencies that are hard to synthesise count most.
    No gradient passes the weights (focal frequency loss, Jiang et al. 2021, §3.3; the paper weights
    the squared distance).

    Hidden pixels are zero in both images, so their outline enters both spectra. An image without a
    valid pixel counts as difference zero. The transform takes images as periodic: opposite borders
    meet.
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
        first, second = (torch.fft.rfftn(image, dim=axes, norm="ortho") for image in (sr, hr))
        difference = (_amplitude(first) - _amplitude(second)).abs()
        if self.alpha:
            difference = difference * self._weight((first - second).detach().abs())
        return (difference * _multiplicity(sr)).sum() / sr.numel()

    def _weight(self, distance: Tensor) -> Tensor:
        largest = distance.amax(dim=tuple(range(2, distance.ndim)), keepdim=True)
        return (distance / largest.clamp(min=torch.finfo(largest.dtype).tiny)) ** self.alpha


def _amplitude(spectrum: Tensor) -> Tensor:
    return (spectrum.real.square() + spectrum.imag.square() + _SMOOTHING**2).sqrt()


def _multiplicity(image: Tensor) -> Tensor:
    """Occurrences of each last-axis frequency of the half spectrum in the whole spectrum: 1 or 2.

    A real image's amplitude is even, so a frequency stands for its mirror image, too. Zero and
    Nyquist are their own mirror images.
    """
    size = image.shape[-1]
    frequency = torch.arange(size // 2 + 1, device=image.device)
    own_mirror = (2 * frequency) % size == 0
    return 2 - own_mirror.to(image.dtype)
