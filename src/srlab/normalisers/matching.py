"""Histogram matching between two sets of percentiles."""

from __future__ import annotations

import torch
from torch import Tensor

from srlab.normalisers.statistics import BINS, LEVELS

RESOLUTION = BINS // 2
"""The number of parts of the range of values that statistics can at least tell apart."""

SHARE = 2.0
"""The percentage of pixels within one such part that makes it count as a single value."""


def matched(image: Tensor, *, source: Tensor, target: Tensor) -> Tensor:
    """Map ``(B, C, *S)`` with the percentiles `source` to the percentiles `target`.

    Both are ``(len(LEVELS), C)``, or ``(len(LEVELS), 1)`` for all channels. A value at a percentile
    of the source becomes that of the target; between two percentiles the map is linear. A value
    that makes up `SHARE` percent of the pixels, such as that of a background, takes its highest
    percentile. Beyond the source's range the map continues with the slope of the whole range.
    """
    channels = image.movedim(1, 0)
    sources = source.T.expand(len(channels), -1)
    targets = target.T.expand(len(channels), -1)
    mapped = [*map(_along, channels, sources, targets)]
    return torch.stack(mapped, dim=1)


def _along(values: Tensor, source: Tensor, target: Tensor) -> Tensor:
    """Map the values of one channel along the line through the points ``(source, target)``."""
    source, target = source.contiguous(), target.contiguous()
    span = source[-1] - source[0]
    target = _of_whole_values(source, target, span / RESOLUTION)
    after = torch.searchsorted(source, values.contiguous(), right=True)
    after = after.clamp(1, len(source) - 1)
    low, high = source[after - 1], source[after]
    share = (values - low) / torch.where(high > low, high - low, 1)
    inside = target[after - 1] + share.clamp(0, 1) * (target[after] - target[after - 1])
    slope = torch.where(span > 0, (target[-1] - target[0]) / torch.where(span > 0, span, 1), 1)
    below = (values - source[0]).clamp(max=0)
    above = (values - source[-1]).clamp(min=0)
    return inside + slope * (below + above)


def _of_whole_values(source: Tensor, target: Tensor, part: Tensor) -> Tensor:
    """Give all percentiles of a repeated value the target of the highest of them."""
    last = torch.searchsorted(source, source + part, right=True) - 1
    levels = torch.tensor(LEVELS, device=source.device)
    return torch.where(levels[last] - levels >= SHARE, target[last], target)
