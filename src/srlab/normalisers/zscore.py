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
    measured,
    take,
    unmeasured,
)
from srlab.normalisers.statistics import DEVIATION, MEAN


class ZScore(nn.Module):
    """Maps each channel to ``(value - mean) / deviation``; a constant channel is divided by one.

    Mean and standard deviation come from the training split (`scope` ``training``) or from each
    file as a whole (``scene``). The latter is for modalities with arbitrary units. `channels` is
    the number of channels. Each has numbers of its own. If `per_channel` is false, all channels
    share those of all values together, which keeps the ratios of bands.
    """

    statistics: Tensor

    def __init__(
        self, *, channels: int, per_channel: bool = True, scope: MeasuredScope = "training"
    ) -> None:
        super().__init__()
        check_counts(channels=channels)
        self.scope = check_measured_scope(scope)
        self.channels, self.per_channel = channels, per_channel
        self.register_buffer("statistics", unmeasured(channels, per_channel=per_channel))

    def fit(self, *, hr: Measure, lr: Measure) -> None:
        """Take mean and deviation of the training split."""
        take(self.statistics, hr(), channels=self.channels, per_channel=self.per_channel)

    def lr(self, image: Tensor, scene: Tensor | None = None) -> Tensor:
        """Bring physical units to deviations from the mean."""
        mean, deviation = self._numbers(image, scene)
        return (image - mean) / deviation

    def hr(self, image: Tensor, scene: Tensor | None = None) -> Tensor:
        """Bring physical units to deviations from the mean."""
        return self.lr(image, scene)

    def inverse(self, image: Tensor, scene: Tensor | None = None) -> Tensor:
        """Bring deviations from the mean to physical units."""
        mean, deviation = self._numbers(image, scene)
        return image * deviation + mean

    def _numbers(self, image: Tensor, scene: Tensor | None) -> tuple[Tensor, Tensor]:
        table = measured(self.statistics, scene, scope=self.scope, per_channel=self.per_channel)
        deviation = table[:, DEVIATION]
        deviation = torch.where(deviation == 0, 1.0, deviation)
        return along_channels(table[:, MEAN], image), along_channels(deviation, image)
