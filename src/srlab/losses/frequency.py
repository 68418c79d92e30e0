"""The difference of amplitude spectra: texture, blind to where exactly it stands."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from srlab.losses.context import Context
from srlab.mistakes import Mistake

_SMOOTHING = 1e-6
"""The amplitude below which the derivative fades to zero, in place of turning about."""


class Frequency(nn.Module):
    """Mean absolute difference of the amplitude spectra of SR and HR, over all spatial axes and all frequencies.

    The transform is orthonormal: white noise has the same amplitude in the spectrum as in the image, in the network's
    range. With `alpha` above zero each frequency is weighted by ``|F(sr) - F(hr)| ** alpha``, divided by the largest
    of the image and channel, so that frequencies hard to synthesise count most; no gradient passes the weights (focal
    frequency loss, Jiang et al. 2021, §3.3, there on the squared distance).

    Hidden pixels are zero in both images: their outline enters both spectra, and an image without a valid pixel
    counts as difference zero. The transform takes images as periodic, so opposite borders meet.
    """

    def __init__(self, *, alpha: float = 0.0) -> None:
        super().__init__()
        if alpha < 0:
            raise Mistake(
                f"loss.frequency.term.alpha is {alpha}; it must be 0 (all frequencies alike) or more (hard ones first)."
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
        most = distance.flatten(2).amax(dim=2).view(*distance.shape[:2], *[1] * (distance.ndim - 2))
        return (distance / most.clamp(min=torch.finfo(most.dtype).tiny)) ** self.alpha


def _amplitude(spectrum: Tensor) -> Tensor:
    return (spectrum.real.square() + spectrum.imag.square() + _SMOOTHING**2).sqrt()


def _multiplicity(image: Tensor) -> Tensor:
    """How often each entry of the last axis of the half spectrum occurs in the whole one: a real image's is even."""
    size = image.shape[-1]
    frequency = torch.arange(size // 2 + 1, device=image.device)
    own_mirror = (2 * frequency) % size == 0
    return 2 - own_mirror.to(image.dtype)
