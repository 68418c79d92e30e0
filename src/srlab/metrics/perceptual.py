"""The learned perceptual distance, as a score."""

from __future__ import annotations

import torch
from torch import Tensor

from srlab.losses.bands import Bands, Channels
from srlab.losses.lpips import LearnedDistance, Net
from srlab.metrics.protocol import View
from srlab.mistakes import Mistake


class LPIPS:
    """Learned perceptual image patch similarity, version 0.1 (Zhang et al. 2018, eq. 1): 0 for equal images.

    `weights` are the network's: ``pretrained`` (torchvision's, downloaded once), ``random`` (of a fixed seed: for
    tests), or the path of torchvision's state dict. The authors advise `net` ``alex`` for scores. `low` to `high`
    becomes -1 to 1, without clamping (None: 0 and the data range); `channels` chooses red, green and blue by their
    positions in ``data.bands``, from 1; one channel is repeated, and of several lists the mean is taken.

    Images ``(B, C, H, W)`` to ``(B,)``; of volumes and video the mean over slices along the first axis. Hidden pixels
    are mid-grey in both images, and the sum of distances is divided by the share of valid pixels instead of all.
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
    def __call__(self, sr: Tensor, hr: Tensor, view: View) -> Tensor:
        """Compare each image of a batch."""
        self.distance.to(hr.device)
        seen, wanted = self._shown(sr, view), self._shown(hr, view)
        slices = (
            [(seen, wanted)] if hr.ndim == 4 else zip(seen.unbind(2), wanted.unbind(2), strict=True)
        )
        per_slice = torch.stack([self.distance(*pair) for pair in slices])
        distance = per_slice.view(len(per_slice), -1, len(hr)).mean(dim=(0, 1))
        return (
            distance if view.valid is None else distance / view.valid.flatten(1).float().mean(dim=1)
        )

    def _shown(self, image: Tensor, view: View) -> Tensor:
        low = 0.0 if self.low is None else self.low
        high = view.data_range if self.high is None else self.high
        if not low < high:
            raise Mistake(
                f"the value range is {low} to {high}; set the metric's low below its high."
            )
        image = 2 * (image - low) / (high - low) - 1
        return self.bands(
            image if view.valid is None else torch.where(view.valid, image, 0.0)
        ).float()
