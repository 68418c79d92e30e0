"""Scores of the foreground of images, without their dark background."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from srlab.metrics.protocol import InUnit, Local, Metric, ScoringContext
from srlab.metrics.scoring import overall
from srlab.mistakes import Mistake
from srlab.normalisers.statistics import LEVELS, QUANTILES, Statistics

Threshold = float | Literal["otsu"]


class Foreground:
    """Applies another metric to the foreground, where HR is above a threshold in any channel.

    The background around a head or a cell is empty, and any interpolation gets it right. It would
    raise the scores and hide differences in the object. Values are those of the wrapped `metric`,
    or NaN for an image without foreground.

    `threshold` is a share of the data range, or ``"otsu"``. The latter finds a threshold for each
    channel, which maximises the variance between foreground and background (Otsu 1979, IEEE Trans.
    SMC 9(1), eq. 14). It is found from the percentiles of the whole file, or of the image itself if
    the file was not measured.

    Raises a `Mistake` for metrics that are not means over places (`srlab.metrics.Local`), and for
    another threshold.
    """

    def __init__(self, *, metric: Metric, threshold: Threshold = "otsu") -> None:
        if not isinstance(metric, Local):
            raise Mistake(
                f"{type(metric).__name__} has no value inside a foreground; PSNR, MAE, RMSE and "
                "SSIM have one."
            )
        number = isinstance(threshold, int | float) and 0 <= threshold < 1
        if not (number or threshold == "otsu"):
            raise Mistake(
                f"threshold is {threshold!r}; give otsu, or a share of the data range from 0 to "
                "below 1."
            )
        self.metric = metric
        self.threshold = threshold
        self.higher_is_better = metric.higher_is_better
        self.unit = metric.unit if isinstance(metric, InUnit) else ""

    def __call__(
        self, sr: Tensor, hr: Tensor, context: ScoringContext
    ) -> Tensor | dict[str, Tensor]:
        """Return the wrapped metric's value for the foreground of each image of a batch."""
        return self.metric.among(sr, hr, context, self._foreground(hr, context))

    def pooled(self, values: Tensor) -> Tensor:
        """Return the wrapped metric's value for the mean squared error of several images."""
        return overall(self.metric, values, pool=True)

    def _foreground(self, hr: Tensor, context: ScoringContext) -> Tensor:
        """Return a mask ``(B, 1, *S)`` of the foreground of HR ``(B, C, *S)``."""
        if self.threshold != "otsu":
            limit = self.threshold * context.data_range
            return (hr > limit).any(dim=1, keepdim=True)

        scene = context.scene
        if scene is None:
            visible = hr
            if context.valid is not None:
                visible = torch.where(context.valid, hr, torch.nan)
            scene = torch.stack([_measured(image) for image in visible])
        channels = hr.shape[1]
        limits = otsu(scene[:, QUANTILES, :channels]).to(hr)
        limits = limits.view(*limits.shape, *[1] * (hr.ndim - 2))
        return (hr > limits).any(dim=1, keepdim=True)


def otsu(quantiles: Tensor) -> Tensor:
    """Return Otsu's threshold ``(B, C)`` of each channel, from percentiles ``(B, LEVELS, C)``.

    Each percentile divides the values of a channel into a lower and an upper class. The percentile
    with the largest variance between the classes is chosen. The threshold is the middle between
    the means of its two classes. The result is on the CPU.

    The threshold is NaN for a channel without values, or with a single value. No value exceeds NaN.
    """
    quantiles = quantiles.cpu().double()
    shares = torch.tensor(LEVELS, dtype=torch.float64) / 100
    # The values between two percentiles count as if they were all in the middle.
    middles = (quantiles[:, 1:] + quantiles[:, :-1]) / 2
    weights = shares.diff()[:, None]
    sums = (middles * weights).cumsum(dim=1)

    total = sums[:, -1:]
    lower_sum = sums[:, :-1]
    lower_share = shares[1:-1, None]
    lower_mean = lower_sum / lower_share
    upper_mean = (total - lower_sum) / (1 - lower_share)
    variance_between = lower_share * (1 - lower_share) * (upper_mean - lower_mean).square()

    best = variance_between.argmax(dim=1, keepdim=True)
    limits = ((lower_mean + upper_mean) / 2).gather(1, best)[:, 0]
    flat = quantiles[:, 0] == quantiles[:, -1]
    return torch.where(flat, torch.nan, limits)


def _measured(image: Tensor) -> Tensor:
    """Return the statistics of an image ``(C, *S)`` in the form of `ScoringContext.scene`."""
    return Statistics.of(image.detach().cpu()).as_tensor()
