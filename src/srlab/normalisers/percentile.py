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
    statistics_buffer,
    statistics_in_use,
    store_statistics,
)
from srlab.normalisers.statistics import FIRST_QUANTILE, level_index


class Percentile(nn.Module):
    """Maps the percentile `low` to 0 and the percentile `high` to 1 linearly, without clamping.

    Outliers, such as dead pixels or glint, change percentiles less than the minimum and maximum.
    With the `scope` ``training`` the percentiles are measured on the training split. With ``scene``
    they are measured on each whole file.

    `channels` is the number of channels. Each channel has its own percentiles. If `per_channel` is
    false, all channels share the percentiles of all values together. If both percentiles are equal,
    values are divided by 1 instead of their difference.

    Raises a `Mistake` if `low` is not below `high`, or if one of them is not kept by `Statistics`.
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
        self._low_row = FIRST_QUANTILE + level_index(low)
        self._high_row = FIRST_QUANTILE + level_index(high)
        self.scope = check_measured_scope(scope)
        self.channels, self.per_channel = channels, per_channel
        self.register_buffer("statistics", statistics_buffer(channels, per_channel=per_channel))

    def fit(self, *, hr: Measure, lr: Measure) -> None:
        """Store the statistics of HR in the training split."""
        store_statistics(
            self.statistics, hr(), channels=self.channels, per_channel=self.per_channel
        )

    def lr(self, image: Tensor, scene: Tensor | None = None) -> Tensor:
        """Map physical units to 0–1 between the two percentiles."""
        low, span = self._low_and_span(image, scene)
        return (image - low) / span

    def hr(self, image: Tensor, scene: Tensor | None = None) -> Tensor:
        """Map physical units to 0–1 between the two percentiles."""
        return self.lr(image, scene)

    def inverse(self, image: Tensor, scene: Tensor | None = None) -> Tensor:
        """Map 0–1 to physical units."""
        low, span = self._low_and_span(image, scene)
        return image * span + low

    def _low_and_span(self, image: Tensor, scene: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the lower percentile, and the difference of the two."""
        table = statistics_in_use(
            self.statistics, scene, scope=self.scope, per_channel=self.per_channel
        )
        low, high = table[:, self._low_row], table[:, self._high_row]
        span = high - low
        divisor = torch.where(span == 0, 1.0, span)
        return along_channels(low, image), along_channels(divisor, image)
