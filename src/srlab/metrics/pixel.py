"""Metrics that average the error of each pixel over the valid pixels."""

from __future__ import annotations

import torch
from torch import Tensor

from srlab.metrics.masked import band_means
from srlab.metrics.protocol import ScoringContext
from srlab.mistakes import Mistake


class PSNR:
    """Peak signal-to-noise ratio in dB: ``10 log10(data_range² / MSE)``.

    Images ``(B, C, *S)`` give ``(B,)``. The mean squared error (MSE) is over all channels at once.
    The value is infinite for an image in which SR equals HR.

    The score of several images is the mean of their values, as in papers. If one of the values is
    infinite, the score is instead the PSNR of the mean MSE (see `srlab.metrics.means`). It is
    infinite only if SR equals HR in all images.
    """

    higher_is_better = True
    unit = "dB"

    def __call__(self, sr: Tensor, hr: Tensor, context: ScoringContext) -> Tensor:
        """Return the value of each image of a batch, over its valid pixels."""
        mse = band_means((sr - hr).square(), context.valid).mean(dim=1)
        return 10 * torch.log10(context.data_range**2 / mse)

    def among(self, sr: Tensor, hr: Tensor, context: ScoringContext, counted: Tensor) -> Tensor:
        """Return the value of each image of a batch, over valid pixels where `counted` is true."""
        return self(sr, hr, context.among(counted))

    def pooled(self, values: Tensor) -> Tensor:
        """Return the PSNR of the mean MSE of images that have the PSNRs ``(N,)``."""
        mse = torch.pow(10.0, -values.double() / 10)  # relative to the squared data range
        psnr = -10 * torch.log10(mse.mean())
        return psnr.to(values.dtype)


class MAE:
    """Mean absolute error over all channels, in physical units.

    Images ``(B, C, *S)`` give ``(B,)``. If `per_band` is true, the result is a dictionary. It has
    this value under the key "", and the error of each channel under the channel's name.

    Raises a `Mistake` if `per_band` is true and the channels have no names of their own.
    """

    higher_is_better = False

    def __init__(self, *, per_band: bool = False) -> None:
        self.per_band = per_band

    def __call__(
        self, sr: Tensor, hr: Tensor, context: ScoringContext
    ) -> Tensor | dict[str, Tensor]:
        """Return the value of each image of a batch, over its valid pixels."""
        errors = band_means((sr - hr).abs(), context.valid)
        mean = errors.mean(dim=1)
        if self.per_band:
            return {"": mean} | _by_name(errors, context.channel_names)
        return mean

    def among(
        self, sr: Tensor, hr: Tensor, context: ScoringContext, counted: Tensor
    ) -> Tensor | dict[str, Tensor]:
        """Return the value of each image of a batch, over valid pixels where `counted` is true."""
        return self(sr, hr, context.among(counted))


class RMSE:
    """Root of the mean squared error over all channels at once, in physical units.

    Images ``(B, C, *S)`` give ``(B,)``. If `per_band` is true, the result is a dictionary. It has
    this value under the key "", and the error of each channel under the channel's name.

    Raises a `Mistake` if `per_band` is true and the channels have no names of their own.
    """

    higher_is_better = False

    def __init__(self, *, per_band: bool = False) -> None:
        self.per_band = per_band

    def __call__(
        self, sr: Tensor, hr: Tensor, context: ScoringContext
    ) -> Tensor | dict[str, Tensor]:
        """Return the value of each image of a batch, over its valid pixels."""
        errors = band_means((sr - hr).square(), context.valid)
        root = errors.mean(dim=1).sqrt()
        if self.per_band:
            return {"": root} | _by_name(errors.sqrt(), context.channel_names)
        return root

    def among(
        self, sr: Tensor, hr: Tensor, context: ScoringContext, counted: Tensor
    ) -> Tensor | dict[str, Tensor]:
        """Return the value of each image of a batch, over valid pixels where `counted` is true."""
        return self(sr, hr, context.among(counted))


def _by_name(errors: Tensor, names: tuple[str, ...]) -> dict[str, Tensor]:
    """Return the errors ``(B, C)`` of the channels by their names."""
    channels = errors.shape[1]
    if len(names) != channels or len(set(names)) != channels:
        raise Mistake(
            f"errors per band need a name of its own for each of the {channels} channels; got "
            f"{names}. Set per_band=false, or name the bands in the data."
        )
    return dict(zip(names, errors.unbind(dim=1), strict=True))
