"""Histogram matching between two sets of percentiles."""

from __future__ import annotations

import torch
from torch import Tensor

from srlab.normalisers.statistics import BINS, LEVELS

FEWEST_BINS = BINS // 2
"""The number of bins that the range of a channel is at least divided into, see `BINS`."""

REPEATED_SHARE = 2.0
"""The percentage of pixels in one bin from which on they count as one repeated value."""


def matched(image: Tensor, *, source: Tensor, target: Tensor) -> Tensor:
    """Map ``(B, C, *S)`` so that its percentiles change from `source` to `target`.

    Both are ``(len(LEVELS), C)``, or ``(len(LEVELS), 1)`` for all channels. The map is linear
    between neighbouring percentiles. Outside the range of `source` it is a line with the slope of
    the whole range.

    A repeated value, such as that of the background, lies at several percentiles of `source`. It is
    mapped to the highest of these percentiles of `target`. A value counts as repeated if it makes
    up `REPEATED_SHARE` percent of the pixels.
    """
    channels = image.movedim(1, 0)
    sources = source.T.expand(len(channels), -1)
    targets = target.T.expand(len(channels), -1)
    mapped = [
        _mapped_channel(values, own_source, own_target)
        for values, own_source, own_target in zip(channels, sources, targets, strict=True)
    ]
    return torch.stack(mapped, dim=1)


def _mapped_channel(values: Tensor, source: Tensor, target: Tensor) -> Tensor:
    """Map the values of one channel along the line through the points ``(source, target)``."""
    source, target = source.contiguous(), target.contiguous()
    span = source[-1] - source[0]
    target = _joined_at_repeated_values(source, target, bin_width=span / FEWEST_BINS)

    # Interpolate between the percentiles to the left and to the right of each value.
    right = torch.searchsorted(source, values.contiguous(), right=True)
    right = right.clamp(1, len(source) - 1)
    left = right - 1
    low, high = source[left], source[right]
    fraction = (values - low) / torch.where(high > low, high - low, 1)
    inside = target[left] + fraction.clamp(0, 1) * (target[right] - target[left])

    # Continue beyond the lowest and the highest percentile.
    divisor = torch.where(span > 0, span, 1)
    slope = torch.where(span > 0, (target[-1] - target[0]) / divisor, 1)
    below = (values - source[0]).clamp(max=0)
    above = (values - source[-1]).clamp(min=0)
    return inside + slope * (below + above)


def _joined_at_repeated_values(source: Tensor, target: Tensor, *, bin_width: Tensor) -> Tensor:
    """Give all percentiles of a repeated value the target of the highest of them."""
    last = torch.searchsorted(source, source + bin_width, right=True) - 1
    levels = torch.tensor(LEVELS, device=source.device)
    repeated = levels[last] - levels >= REPEATED_SHARE
    return torch.where(repeated, target[last], target)
