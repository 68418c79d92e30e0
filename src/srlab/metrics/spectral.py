"""Metrics of multispectral images: the spectral angle, and errors relative to the bands' means."""

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
"""The absolute mean up to which a band counts as dark, as a share of the data range."""


class SpectralAngle:
    """Mean angle between the spectra of SR and HR, in degrees (Kruse et al. 1993, eq. 2).

    Images ``(B, C, *S)`` with ``C >= 2`` give ``(B,)``, from 0 to 180 degrees. The angle does not
    depend on the brightness of the spectra.

    A pixel in which HR is zero in all bands is left out, since its spectrum has no direction. Where
    SR is zero in all bands, its inner product with HR is zero, so the angle counts as 90 degrees.

    Raises a `Mistake` for a single channel.
    """

    higher_is_better = False
    unit = "degrees"

    def __call__(self, sr: Tensor, hr: Tensor, context: ScoringContext) -> Tensor:
        """Return the value of each image of a batch, over its valid pixels."""
        angle = degrees_between(sr, hr)
        sr_is_zero = (sr == 0).all(dim=1, keepdim=True)
        angle = torch.where(sr_is_zero, 90.0, angle)
        counted = (hr != 0).any(dim=1, keepdim=True)
        if context.valid is not None:
            counted = counted & context.valid
        return band_means(angle, counted).squeeze(1).to(hr.dtype)


def degrees_between(first: Tensor, second: Tensor) -> Tensor:
    """Return the angle between the spectra of two images ``(B, C, *S)`` in degrees, ``(B, 1, *S)``.

    The angle is zero where one of the spectra is zero. It is computed in float64, in which the
    squares of float32 values neither overflow nor vanish.

    Raises a `Mistake` for a single channel.
    """
    channels = first.shape[1]
    if channels < 2:
        raise Mistake(
            f"a spectral angle needs two channels or more; got {channels}. Leave this metric out."
        )
    return torch.rad2deg(spectral_angle(in_double(first), in_double(second)))


class ERGAS:
    """Relative dimensionless global error in synthesis (Wald 2002, *Data Fusion*).

    It is ``100 / scale · sqrt(mean over k of (RMSE_k / mean_k)²)``, with k for the bands and mean_k
    for the mean of HR. Wald writes h/l for ``1 / scale``, the side of an HR pixel divided by that
    of an LR pixel. If the scale differs between axes, the geometric mean is taken.

    Images ``(B, C, *S)`` give ``(B,)``, in percent. They must be in a unit with a true zero, such
    as reflectance, radiance or counts. The value is NaN if a band of HR is dark: its absolute mean
    is at most 1/10 000 of the data range. The relative error of a dark band would be arbitrarily
    large, and would dominate the mean over images.
    """

    higher_is_better = False

    def __call__(self, sr: Tensor, hr: Tensor, context: ScoringContext) -> Tensor:
        """Return the value of each image of a batch, over its valid pixels."""
        mse = band_means((sr - hr).square(), context.valid)
        mean = band_means(hr, context.valid)
        is_dark = mean.abs() <= DARK * context.data_range
        relative_mse = torch.where(is_dark, torch.nan, mse / mean.square())
        scale: float = math.prod(context.scale) ** (1 / len(context.scale))
        return 100 / scale * relative_mse.mean(dim=1).sqrt()
