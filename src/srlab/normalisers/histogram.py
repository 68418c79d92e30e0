"""Matching of LR's histogram to that of HR."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from srlab.axes import check_counts
from srlab.mistakes import Mistake
from srlab.normalisers.matching import matched
from srlab.normalisers.protocol import Measure, Normaliser, Scope, take, unmeasured
from srlab.normalisers.statistics import QUANTILES


class HistogramMatching(nn.Module):
    """Matches LR's histogram to HR's, and brings both to the network's range by `mapping`.

    The training split's percentiles of LR are mapped to those of HR (Gonzalez and Woods, Digital
    Image Processing, section 3.3; see `srlab.normalisers.matching`). The network then sees LR of
    another sensor in HR's units. SR is in HR's units, too, since the inverse is that of `mapping`
    alone. `predict` can match the output to the input in a step of its own
    (``match_histogram=true``).

    `channels` is the number of channels of LR, and of HR. `mapping` is any normaliser that does not
    measure scenes. Each channel is matched by itself. If `per_channel` is false, one curve for all
    values together is used for all channels.
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
        self.register_buffer("of_lr", unmeasured(channels, per_channel=per_channel))
        self.register_buffer("of_hr", unmeasured(channels, per_channel=per_channel))

    def fit(self, *, hr: Measure, lr: Measure) -> None:
        """Take the percentiles of both sides of the training split."""
        of_hr = hr()
        take(self.of_hr, of_hr, channels=self.channels, per_channel=self.per_channel)
        take(self.of_lr, lr(), channels=self.channels, per_channel=self.per_channel)
        if self.mapping.scope == "training":
            # Matched LR has the statistics of HR.
            self.mapping.fit(hr=lambda: of_hr, lr=lambda: of_hr)

    def lr(self, image: Tensor, scene: Tensor | None = None) -> Tensor:
        """Bring LR to HR's distribution, and then to the network's range."""
        source, target = self.of_lr[QUANTILES], self.of_hr[QUANTILES]
        return self.mapping.lr(matched(image, source=source, target=target))

    def hr(self, image: Tensor, scene: Tensor | None = None) -> Tensor:
        """Bring HR to the network's range."""
        return self.mapping.hr(image)

    def inverse(self, image: Tensor, scene: Tensor | None = None) -> Tensor:
        """Bring SR to HR's physical units."""
        return self.mapping.inverse(image)
