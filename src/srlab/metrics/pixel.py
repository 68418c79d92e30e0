"""Metrics of the error pixel by pixel, over valid pixels alone."""

from __future__ import annotations

import torch
from torch import Tensor

from srlab.metrics.masked import band_means
from srlab.metrics.protocol import View
from srlab.mistakes import Mistake


class PSNR:
    """Peak signal-to-noise ratio in dB: ``10 log10(data_range² / MSE)``, the mean over all channels at once.

    Images ``(B, C, *S)`` to ``(B,)``; infinite where SR equals HR.
    """

    higher_is_better = True

    def __call__(self, sr: Tensor, hr: Tensor, view: View) -> Tensor:
        """Compare each image of a batch over its valid pixels."""
        mse = band_means((sr - hr).square(), view.valid).mean(dim=1)
        return 10 * torch.log10(view.data_range**2 / mse)


class MAE:
    """Mean absolute error, in physical units.

    Images ``(B, C, *S)`` to ``(B,)``. With `per_band` a dictionary of the same under "" and of each channel's own
    error under the channel's name.
    """

    higher_is_better = False

    def __init__(self, *, per_band: bool = False) -> None:
        self.per_band = per_band

    def __call__(self, sr: Tensor, hr: Tensor, view: View) -> Tensor | dict[str, Tensor]:
        """Compare each image of a batch over its valid pixels."""
        errors = band_means((sr - hr).abs(), view.valid)
        mean = errors.mean(dim=1)
        return {"": mean} | _by_name(errors, view) if self.per_band else mean


class RMSE:
    """Root of the mean squared error, in physical units; the mean is over all channels at once.

    Images ``(B, C, *S)`` to ``(B,)``. With `per_band` a dictionary of the same under "" and of each channel's own
    error under the channel's name.
    """

    higher_is_better = False

    def __init__(self, *, per_band: bool = False) -> None:
        self.per_band = per_band

    def __call__(self, sr: Tensor, hr: Tensor, view: View) -> Tensor | dict[str, Tensor]:
        """Compare each image of a batch over its valid pixels."""
        errors = band_means((sr - hr).square(), view.valid)
        mean = errors.mean(dim=1).sqrt()
        return {"": mean} | _by_name(errors.sqrt(), view) if self.per_band else mean


def _by_name(errors: Tensor, view: View) -> dict[str, Tensor]:
    channels = errors.shape[1]
    if len(view.channels) != channels or len(set(view.channels)) != channels:
        raise Mistake(
            f"errors per band need a name of its own for each of the {channels} channels; got {view.channels}. "
            "Set per_band=false, or name the bands in the data."
        )
    return dict(zip(view.channels, errors.unbind(dim=1), strict=True))
