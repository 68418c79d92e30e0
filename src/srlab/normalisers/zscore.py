"""Mapping to zero mean and unit standard deviation."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from srlab.axes import check_counts
from srlab.normalisers.protocol import (
    Measure,
    MeasuredScope,
    along_channels,
    check_measured_scope,
    statistics_buffer,
    statistics_in_use,
    store_statistics,
)
from srlab.normalisers.statistics import DEVIATION, MEAN


class ZScore(nn.Module):
    """Maps ``x`` to ``(x - mean) / deviation``, where the deviation is the standard deviation.

    With the `scope` ``training`` both are measured on the training split. With ``scene`` they are
    measured on each whole file, for modalities with arbitrary units such as MRI.

    `channels` is the number of channels. Each channel has its own mean and deviation. If
    `per_channel` is false, all channels share one mean and one deviation. This keeps the ratios
    between bands. A channel of constant value has a deviation of zero, and is divided by 1 instead.

    Raises a `Mistake` if `channels` or `scope` is not valid.
    """

    statistics: Tensor

    def __init__(
        self, *, channels: int, per_channel: bool = True, scope: MeasuredScope = "training"
    ) -> None:
        super().__init__()
        check_counts(channels=channels)
        self.scope = check_measured_scope(scope)
        self.channels, self.per_channel = channels, per_channel
        self.register_buffer("statistics", statistics_buffer(channels, per_channel=per_channel))

    def fit(self, *, hr: Measure, lr: Measure) -> None:
        """Store the statistics of HR in the training split."""
        store_statistics(
            self.statistics, hr(), channels=self.channels, per_channel=self.per_channel
        )

    def lr(self, image: Tensor, scene: Tensor | None = None) -> Tensor:
        """Map physical units to numbers of standard deviations from the mean."""
        mean, deviation = self._mean_and_deviation(image, scene)
        return (image - mean) / deviation

    def hr(self, image: Tensor, scene: Tensor | None = None) -> Tensor:
        """Map physical units to numbers of standard deviations from the mean."""
        return self.lr(image, scene)

    def inverse(self, image: Tensor, scene: Tensor | None = None) -> Tensor:
        """Map numbers of standard deviations from the mean to physical units."""
        mean, deviation = self._mean_and_deviation(image, scene)
        return image * deviation + mean

    def _mean_and_deviation(self, image: Tensor, scene: Tensor | None) -> tuple[Tensor, Tensor]:
        table = statistics_in_use(
            self.statistics, scene, scope=self.scope, per_channel=self.per_channel
        )
        mean, deviation = table[:, MEAN], table[:, DEVIATION]
        divisor = torch.where(deviation == 0, 1.0, deviation)
        return along_channels(mean, image), along_channels(divisor, image)
