"""The learned perceptual distance, as a loss."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from srlab.losses.bands import Channels, FeatureInput
from srlab.losses.context import Context
from srlab.losses.frozen import Frozen
from srlab.losses.published import fill
from srlab.mistakes import Mistake

Net = Literal["alex", "vgg", "squeeze"]

_PUBLISHED = {
    "alex": "AlexNet_Weights.IMAGENET1K_V1",
    "vgg": "VGG16_Weights.IMAGENET1K_V1",
    "squeeze": "SqueezeNet1_1_Weights.IMAGENET1K_V1",
}
_LEAST = {"alex": 31, "vgg": 16, "squeeze": 17}
"""Pixels a side that pass through all of a network's poolings."""


class LPIPS(nn.Module):
    """Learned perceptual image patch similarity, version 0.1 (Zhang et al. 2018, eq. 1).

    The linear layers are those of the lpips package. The network's `weights` are ``pretrained``
    (torchvision's, downloaded once), ``random`` (of a fixed seed, for baselines and tests), or the
    path of torchvision's state dict. The authors advise `net` ``vgg`` for a loss and ``alex``
    for a score.

    Images are in physical units. The range from `low` to `high` becomes -1 to 1, without clamping
    (None: 0 and the context's ``data_range``). `channels` chooses bands from 1 and may be several
    lists, whose mean is taken (see `Bands`). Volumes need `Slices`.

    The scalar is the mean over the batch. Gradients flow into SR alone. Hidden pixels are physical
    zeros in both images: features that see nothing else agree, and count in the mean.
    """

    space = "physical"

    def __init__(
        self,
        *,
        net: Net = "vgg",
        weights: str = "pretrained",
        channels: Channels | None = None,
        low: float | None = None,
        high: float | None = None,
    ) -> None:
        super().__init__()
        self.feature_input = FeatureInput(channels=channels, low=low, high=high)
        self.distance = Frozen(LearnedDistance(net=net, weights=weights))

    def forward(self, sr: Tensor, hr: Tensor, context: Context) -> Tensor:
        """Compare SR with HR, both ``(B, C, H, W)`` in physical units: a scalar."""
        seen = 2 * self.feature_input(sr, data_range=context.data_range) - 1
        wanted = 2 * self.feature_input(hr, data_range=context.data_range) - 1
        value: Tensor = self.distance(seen, wanted).mean()
        return value.to(sr.dtype)


class LearnedDistance(nn.Module):
    """The lpips package's distance of RGB images in -1 to 1, ``(N, 3, H, W)`` to ``(N,)``.

    Features are divided by ``sqrt(|f|² + 1e-8)``. The package (0.1.4) divides by ``|f| + 1e-10``,
    whose gradient grows without bound as features vanish. It is NaN where their squares underflow.
    No gradient flows into the second image.
    """

    def __init__(self, *, net: Net, weights: str = "pretrained") -> None:
        super().__init__()
        if net not in _PUBLISHED:
            raise Mistake(f"net is {net!r}; it must be one of {', '.join(_PUBLISHED)}.")
        self.net = net
        self.lpips = _package(net)
        trunk = self.lpips.net
        names = {name: f"features.{name.partition('.')[2]}" for name in trunk.state_dict()}
        fill(trunk, names, weights=weights, published=_PUBLISHED[net])

    def forward(self, sr: Tensor, hr: Tensor) -> Tensor:
        """Compare each SR with its HR."""
        if min(sr.shape[2:]) < _LEAST[self.net]:
            raise Mistake(
                f"LPIPS with net={self.net} needs images of at least {_LEAST[self.net]} pixels a "
                f"side, and these have {tuple(sr.shape[2:])}; use larger crops (data.crop_size) or "
                "another net."
            )
        found = self._features(sr)
        with torch.no_grad():
            wanted = self._features(hr)
        layers = zip(self.lpips.lins, found, wanted, strict=True)
        distances = [linear((a - b).square()).mean((1, 2, 3)) for linear, a, b in layers]
        return torch.stack(distances).sum(0)

    def _features(self, image: Tensor) -> list[Tensor]:
        features = self.lpips.net(self.lpips.scaling_layer(image))
        return [
            feature / (feature.square().sum(1, keepdim=True) + 1e-8).sqrt() for feature in features
        ]


def _package(net: Net) -> Any:
    """The package's module with its linear layers; the rest of its weights is arbitrary."""
    import lpips  # takes three seconds, with torchvision

    # On the meta device, since it builds a classifier of 138 M weights only to drop it.
    with torch.device("meta"), warnings.catch_warnings(action="ignore"):
        module = lpips.LPIPS(net=net, pretrained=False, pnet_rand=True, verbose=False)
    module.to_empty(device="cpu")
    module.scaling_layer = lpips.ScalingLayer()
    linear = Path(lpips.__file__).parent / "weights" / "v0.1" / f"{net}.pth"
    module.load_state_dict(torch.load(linear, map_location="cpu", weights_only=True), strict=False)
    return module
