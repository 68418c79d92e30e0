"""The learned perceptual distance LPIPS, used as a score."""

from __future__ import annotations

import torch
from torch import Tensor

from srlab.losses.bands import Bands, Channels, to_unit_range
from srlab.losses.lpips import LearnedDistance, Net
from srlab.metrics.protocol import ScoringContext
from srlab.nn.masks import without_hidden


class LPIPS:
    """Learned perceptual image patch similarity, version 0.1 (Zhang et al. 2018, eq. 1).

    Images ``(B, C, H, W)`` give ``(B,)``, 0 for equal images. For volumes and video, the score is
    the mean over slices along the first spatial axis.

    `net` is the classification network whose features are compared: ``alex``, ``vgg`` or
    ``squeeze``. The authors advise ``alex`` for scores. `weights` are those of the network:

    - ``pretrained``: torchvision's, which are downloaded once.
    - ``random``: weights from a fixed seed, for tests.
    - The path of a torchvision state dict.

    Values are mapped linearly, such that `low` becomes -1 and `high` becomes 1, without clamping.
    If they are None, `low` is 0 and `high` is the data range. `channels` are the positions of red,
    green and blue in ``data.bands``, counted from 1. A single channel is repeated. For several
    lists, the mean distance is taken (see `srlab.losses.bands.Bands`).

    Hidden pixels are mid-grey in both images, so they add no distance. The mean distance is divided
    by the share of valid pixels.

    Raises a `Mistake` for another `net`, unreadable weights, or images that are too small.
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
        self.low = low
        self.high = high
        self.distance = LearnedDistance(net=net, weights=weights).eval().requires_grad_(False)

    @torch.no_grad()
    def __call__(self, sr: Tensor, hr: Tensor, context: ScoringContext) -> Tensor:
        """Return the distance of each image of a batch, ``(B,)``."""
        self.distance.to(hr.device)
        slices = zip(self._slices(sr, context), self._slices(hr, context), strict=True)
        distances = [self.distance(sr_slice, hr_slice) for sr_slice, hr_slice in slices]
        # Each slice has a distance for each list of bands and each image of the batch.
        by_slice_list_image = torch.stack(distances).view(len(distances), -1, len(hr))
        distance = by_slice_list_image.mean(dim=(0, 1))
        if context.valid is not None:
            valid_share = context.valid.flatten(1).float().mean(dim=1)
            distance = distance / valid_share
        return distance

    def _slices(self, image: Tensor, context: ScoringContext) -> tuple[Tensor, ...]:
        """Return the network's input ``(lists·B, 3, H, W)`` for an image or for each slice."""
        unit = to_unit_range(image, low=self.low, high=self.high, data_range=context.data_range)
        scaled = without_hidden(2 * unit - 1, context.valid)
        chosen = self.bands(scaled).float()
        if chosen.ndim == 4:
            return (chosen,)
        return chosen.unbind(2)
