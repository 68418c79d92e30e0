"""Mapping of two percentiles to 0 and 1."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from srlab.axes import check_counts
from srlab.mistakes import Mistake
from srlab.normalisers.protocol import (
    Measure,
    MeasuredScope,
    along_channels,
    check_measured_scope,
    measured,
    take,
    unmeasured,
)
from srlab.normalisers.statistics import level_index


class Percentile(nn.Module):
    """Maps the percentile `low` of each channel to 0 and `high` to 1, without clamping.

    The percentiles come from the training split (`scope` ``training``) or from each file as a whole
    (``scene``). Unlike the extremes, they do not depend on outliers such as dead pixels or glint.
    `channels` is the number of channels. Each has percentiles of its own. If `per_channel` is
    false, all channels share those of all values together. If both percentiles are equal, values
    are divided by one.
    """

    statistics: Tensor

    def __init__(
        self,
        *,
        channels: int,
        per_channel: bool = True,
        low: float = 1.0,
        high: float = 99.0,
        scope: MeasuredScope = "training",
    ) -> None:
        super().__init__()
        check_counts(channels=channels)
        if low >= high:
            raise Mistake(f"percentile got low {low} and high {high}; high must be larger.")
        # Four rows, from the minimum to the deviation, come first in the table.
        self.low, self.high = 4 + level_index(low), 4 + level_index(high)
        self.scope = check_measured_scope(scope)
        self.channels, self.per_channel = channels, per_channel
        self.register_buffer("statistics", unmeasured(channels, per_channel=per_channel))

    def fit(self, *, hr: Measure, lr: Measure) -> None:
        """Take the percentiles of the training split."""
        take(self.statistics, hr(), channels=self.channels, per_channel=self.per_channel)

    def lr(self, image: Tensor, scene: Tensor | None = None) -> Tensor:
        """Bring physical units to 0–1 between the percentiles."""
        low, span = self._numbers(image, scene)
        return (image - low) / span

    def hr(self, image: Tensor, scene: Tensor | None = None) -> Tensor:
        """Bring physical units to 0–1 between the percentiles."""
        return self.lr(image, scene)

    def inverse(self, image: Tensor, scene: Tensor | None = None) -> Tensor:
        """Bring 0–1 to physical units."""
        low, span = self._numbers(image, scene)
        return image * span + low

    def _numbers(self, image: Tensor, scene: Tensor | None) -> tuple[Tensor, Tensor]:
        table = measured(self.statistics, scene, scope=self.scope, per_channel=self.per_channel)
        span = table[:, self.high] - table[:, self.low]
        span = torch.where(span == 0, 1.0, span)
        return along_channels(table[:, self.low], image), along_channels(span, image)
