"""Metrics of multispectral images: spectral angle, and errors relative to each band's mean."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from srlab.metrics.masked import band_means
from srlab.metrics.precision import in_double
from srlab.metrics.protocol import ScoringContext
from srlab.mistakes import Mistake
from srlab.nn.spectra import spectral_angle

DARK = 1e-4
"""The share of the data range up to which the mean of a band counts as zero."""


class SpectralAngle:
    """Mean angle between the spectra of SR and HR, in degrees (Kruse et al. 1993, eq. 2).

    Images ``(B, C, *S)`` with ``C >= 2`` to ``(B,)``, from 0 to 180. The angle does not depend on
    the brightness of a spectrum.

    Pixels where HR is zero in all bands have no direction and are left out. Where SR is zero in all
    bands, the angle counts as 90 degrees, since its inner product with HR is zero.
    """

    higher_is_better = False
    unit = "degrees"

    def __call__(self, sr: Tensor, hr: Tensor, context: ScoringContext) -> Tensor:
        """Compare each image of a batch over its valid pixels."""
        angle = degrees_between(sr, hr)
        angle = torch.where((sr == 0).all(dim=1, keepdim=True), 90.0, angle)
        shown = (hr != 0).any(dim=1, keepdim=True)
        if context.valid is not None:
            shown = shown & context.valid
        return band_means(angle, shown).squeeze(1).to(hr.dtype)


def degrees_between(first: Tensor, second: Tensor) -> Tensor:
    """Angle between spectra ``(B, C, *S)`` in degrees, ``(B, 1, *S)``; zero where one is zero.

    It is computed in float64, where neither tiny nor huge float32 values leave the range of their
    squares. Fewer than two channels are a `Mistake`.
    """
    channels = first.shape[1]
    if channels < 2:
        raise Mistake(
            f"a spectral angle needs two channels or more; got {channels}. Leave this metric out."
        )
    return torch.rad2deg(spectral_angle(in_double(first), in_double(second)))


class ERGAS:
    """Relative dimensionless global error in synthesis (Wald 2002, *Data Fusion*).

    ``100 / scale · sqrt(mean_k (RMSE_k / mean_k)²)`` over the bands k. Wald's h/l is the size of
    the HR pixel over that of the LR pixel: 1/4 at a scale of 4. Where axes have different scales it
    is their geometric mean.

    Images ``(B, C, *S)`` to ``(B,)``, in units with a true zero (reflectance, radiance, counts). An
    image is NaN if the mean of an HR band is within 1/10 000 of the data range from zero. Its
    relative error would be arbitrarily large, and would dominate the mean over images.
    """

    higher_is_better = False

    def __call__(self, sr: Tensor, hr: Tensor, context: ScoringContext) -> Tensor:
        """Compare each image of a batch over its valid pixels."""
        mse = band_means((sr - hr).square(), context.valid)
        level = band_means(hr, context.valid)
        dark = level.abs() <= DARK * context.data_range
        relative = torch.where(dark, torch.nan, mse / level.square())
        ratio: float = math.prod(context.scale) ** (1 / len(context.scale))
        return 100 / ratio * relative.mean(dim=1).sqrt()
