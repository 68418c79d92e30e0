"""The learned perceptual distance, as a score."""

from __future__ import annotations

import torch
from torch import Tensor

from srlab.losses.bands import Bands, Channels, to_unit_range
from srlab.losses.lpips import LearnedDistance, Net
from srlab.metrics.protocol import ScoringContext
from srlab.nn.masks import without_hidden


class LPIPS:
    """Learned perceptual image patch similarity, version 0.1 (Zhang et al. 2018, eq. 1).

    Images ``(B, C, H, W)`` to ``(B,)``, 0 for equal images. For volumes and video it is the mean
    over slices along the first axis.

    The network's `weights` are ``pretrained`` (torchvision's, downloaded once), ``random`` (of a
    fixed seed, for tests), or the path of torchvision's state dict. The authors advise `net`
    ``alex`` for scores.

    The range from `low` to `high` becomes -1 to 1, without clamping (None: 0 and the data range).
    `channels` chooses red, green and blue by their positions in ``data.bands``, from 1. One channel
    is repeated, and of several lists the mean is taken (see `srlab.losses.bands.Bands`).

    Hidden pixels are mid-grey in both images, so they add no distance. The mean distance is divided
    by the share of valid pixels.
    """

    higher_is_better = False

    def __init__(
        self,
        *,
        net: Net = "alex",
        weights: str = "pretrained",
        channels: Channels | None = None,
        low: float | None = None,
        high: float | None = None,
    ) -> None:
        self.bands = Bands(channels)
        self.low, self.high = low, high
        self.distance = LearnedDistance(net=net, weights=weights).eval().requires_grad_(False)

    @torch.no_grad()
    def __call__(self, sr: Tensor, hr: Tensor, context: ScoringContext) -> Tensor:
        """Compare each image of a batch."""
        self.distance.to(hr.device)
        seen, wanted = self._slices(sr, context), self._slices(hr, context)
        distances = [self.distance(a, b) for a, b in zip(seen, wanted, strict=True)]
        # (slices, lists of bands, images of the batch)
        distance = torch.stack(distances).view(len(distances), -1, len(hr)).mean(dim=(0, 1))
        if context.valid is not None:
            distance = distance / context.valid.flatten(1).float().mean(dim=1)
        return distance

    def _slices(self, image: Tensor, context: ScoringContext) -> tuple[Tensor, ...]:
        """The network's input, ``(lists·B, 3, H, W)``, one for each slice of a volume."""
        unit = to_unit_range(image, low=self.low, high=self.high, data_range=context.data_range)
        shown = self.bands(without_hidden(2 * unit - 1, context.valid)).float()
        if shown.ndim == 4:
            return (shown,)
        return shown.unbind(2)
