"""Metrics of multispectral images: the shape of spectra, and the error relative to each band's level."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from srlab.metrics.masked import band_means
from srlab.metrics.protocol import View
from srlab.mistakes import Mistake


class SpectralAngle:
    """Mean angle between the spectra of SR and HR, in degrees (Kruse et al. 1993, eq. 2).

    Images ``(B, C, *S)`` with ``C >= 2`` to ``(B,)``, 0 to 180; blind to a factor on a whole spectrum. Written with
    the arc tangent (Kahan 2006), which keeps small angles that the arc cosine loses in float32. A pixel of HR
    that is zero in all bands has no direction and is left out; one of SR alone counts as 90 degrees, its inner
    product with HR being zero.
    """

    higher_is_better = False

    def __call__(self, sr: Tensor, hr: Tensor, view: View) -> Tensor:
        """Compare each image of a batch over its valid pixels."""
        if hr.shape[1] < 2:
            raise Mistake(
                "a spectral angle needs two channels or more; got 1. Leave this metric out."
            )
        u, v = _unit(sr), _unit(hr)
        angle = 2 * torch.atan2(
            (u - v).norm(dim=1, keepdim=True), (u + v).norm(dim=1, keepdim=True)
        )
        directed = (hr != 0).any(dim=1, keepdim=True)
        shown = directed if view.valid is None else directed & view.valid
        return torch.rad2deg(band_means(angle, shown)).squeeze(1)


def _unit(spectra: Tensor) -> Tensor:
    largest = spectra.abs().amax(dim=1, keepdim=True)
    # the largest entry first, so that neither tiny nor huge spectra leave the range of their squares
    scaled = spectra / torch.where(largest == 0, 1.0, largest)
    length = scaled.norm(dim=1, keepdim=True)
    return scaled / torch.where(length == 0, 1.0, length)


class ERGAS:
    """Relative dimensionless global error in synthesis: ``100 / scale · sqrt(mean_k (RMSE_k / mean_k)²)``.

    Wald 2002, *Data Fusion*, whose h/l is the HR pixel's size over the LR pixel's: 1/4 at a scale of 4, and the
    geometric mean over the axes where scales differ. Images ``(B, C, *S)`` to ``(B,)``, in units with a true zero
    (reflectance, radiance, counts); an image is NaN if the mean of a band of HR is zero.
    """

    higher_is_better = False

    def __call__(self, sr: Tensor, hr: Tensor, view: View) -> Tensor:
        """Compare each image of a batch over its valid pixels."""
        mse, level = band_means((sr - hr).square(), view.valid), band_means(hr, view.valid)
        relative = torch.where(level == 0, torch.nan, mse / level.square())
        ratio: float = math.prod(view.scale) ** (1 / len(view.scale))
        return 100 / ratio * relative.mean(dim=1).sqrt()
