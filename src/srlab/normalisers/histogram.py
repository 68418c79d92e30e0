"""Matching of the histogram of LR to the histogram of HR."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from srlab.axes import check_counts
from srlab.mistakes import Mistake
from srlab.normalisers.matching import matched
from srlab.normalisers.protocol import (
    Measure,
    Normaliser,
    Scope,
    statistics_buffer,
    store_statistics,
)
from srlab.normalisers.statistics import QUANTILES, Statistics


class HistogramMatching(nn.Module):
    """Matches the histogram of LR to that of HR, and then normalises both by `mapping`.

    LR and HR may come from different sensors. The percentiles of LR in the training split are
    mapped to the percentiles of HR (Gonzalez and Woods, Digital Image Processing, section 3.3; see
    `srlab.normalisers.matching`). LR is then in the units of HR. SR is in the units of HR, too,
    since `inverse` undoes `mapping` but not the matching. To match SR to the units of LR, predict
    with ``match_histogram=true``.

    `channels` is the number of channels of both LR and HR. `mapping` is another normaliser, of the
    scope ``fixed`` or ``training``. Each channel is matched by its own curve. If `per_channel` is
    false, one curve of all values together serves all channels.

    Raises a `Mistake` if `channels` is not valid or the scope of `mapping` is ``scene``.
    """

    scope: Scope = "training"
    of_lr: Tensor
    of_hr: Tensor
    mapping: Normaliser

    def __init__(self, *, channels: int, mapping: nn.Module, per_channel: bool = True) -> None:
        super().__init__()
        check_counts(channels=channels)
        self.mapping = cast(Normaliser, mapping)
        if self.mapping.scope == "scene":
            raise Mistake(
                "mapping measures each scene, and the histogram is that of the training split; "
                "choose mapping.scope=training, or a mapping with given numbers such as minmax."
            )
        self.channels, self.per_channel = channels, per_channel
        self.register_buffer("of_lr", statistics_buffer(channels, per_channel=per_channel))
        self.register_buffer("of_hr", statistics_buffer(channels, per_channel=per_channel))

    def fit(self, *, hr: Measure, lr: Measure) -> None:
        """Store the statistics of LR and HR in the training split."""
        hr_statistics = hr()
        self._store(self.of_hr, hr_statistics)
        self._store(self.of_lr, lr())
        if self.mapping.scope == "training":
            # Once LR is matched to HR, it has the statistics of HR.
            self.mapping.fit(hr=lambda: hr_statistics, lr=lambda: hr_statistics)

    def lr(self, image: Tensor, scene: Tensor | None = None) -> Tensor:
        """Match LR to HR, and then map it to the network's range."""
        in_units_of_hr = matched(image, source=self.of_lr[QUANTILES], target=self.of_hr[QUANTILES])
        return self.mapping.lr(in_units_of_hr)

    def hr(self, image: Tensor, scene: Tensor | None = None) -> Tensor:
        """Map HR to the network's range."""
        return self.mapping.hr(image)

    def inverse(self, image: Tensor, scene: Tensor | None = None) -> Tensor:
        """Map SR to the physical units of HR."""
        return self.mapping.inverse(image)

    def _store(self, buffer: Tensor, statistics: Statistics) -> None:
        store_statistics(buffer, statistics, channels=self.channels, per_channel=self.per_channel)
