"""Scores of the foreground alone, without the dark background."""

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
    raise the scores and hide differences in the object.

    ``"otsu"`` takes the threshold of each channel that maximises the variance between the two
    classes (Otsu 1979, IEEE Trans. SMC 9(1), eq. 14). It is computed from the percentiles of the
    whole file, or of the image itself if the file was not measured. A number is a threshold as a
    share of the data range.

    An image without foreground is NaN.

    Raises a `Mistake` for metrics that are not means over places (`srlab.metrics.Local`).
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
        self.metric, self.threshold = metric, threshold
        self.higher_is_better = metric.higher_is_better
        self.unit = metric.unit if isinstance(metric, InUnit) else ""

    def __call__(
        self, sr: Tensor, hr: Tensor, context: ScoringContext
    ) -> Tensor | dict[str, Tensor]:
        """Compare each image of a batch in its foreground."""
        return self.metric.among(sr, hr, context, self._shown(hr, context))

    def pooled(self, values: Tensor) -> Tensor:
        """The metric's value for the mean squared error of several images."""
        return overall(self.metric, values, pool=True)

    def _shown(self, hr: Tensor, context: ScoringContext) -> Tensor:
        """The foreground of HR ``(B, C, *S)``: ``(B, 1, *S)``."""
        if self.threshold != "otsu":
            return (hr > self.threshold * context.data_range).any(dim=1, keepdim=True)
        scene = context.scene
        if scene is None:
            scene = torch.stack([_measured(image) for image in _visible(hr, context.valid)])
        channels = hr.shape[1]
        limits = otsu(scene[:, QUANTILES, :channels]).to(hr)
        return (hr > limits.view(*limits.shape, *[1] * (hr.ndim - 2))).any(dim=1, keepdim=True)


def otsu(quantiles: Tensor) -> Tensor:
    """Return Otsu's threshold ``(B, C)`` of each channel, from percentiles ``(B, LEVELS, C)``.

    Each percentile divides the values into two classes. Of the percentile with the largest variance
    between classes, the threshold is the middle of the two means. The result is on the CPU.

    A channel without values, or with a single one, has NaN as its threshold, above which no value
    lies.
    """
    quantiles = quantiles.cpu().double()
    shares = torch.tensor(LEVELS, dtype=torch.float64) / 100
    weights = shares.diff()[:, None]
    sums = ((quantiles[:, 1:] + quantiles[:, :-1]) / 2 * weights).cumsum(dim=1)
    total, below = sums[:, -1:], shares[1:-1, None]
    lower, upper = sums[:, :-1] / below, (total - sums[:, :-1]) / (1 - below)
    between = below * (1 - below) * (upper - lower).square()
    best = between.argmax(dim=1, keepdim=True)
    limits = ((lower + upper) / 2).gather(1, best)[:, 0]
    flat = quantiles[:, 0] == quantiles[:, -1]
    return torch.where(flat, torch.nan, limits)


def _visible(hr: Tensor, valid: Tensor | None) -> Tensor:
    return hr if valid is None else torch.where(valid, hr, torch.nan)


def _measured(image: Tensor) -> Tensor:
    return Statistics.of(image.detach().cpu()).as_tensor()
