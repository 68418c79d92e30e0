"""The learned perceptual distance LPIPS, used as a loss."""

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
_SMALLEST = {"alex": 31, "vgg": 16, "squeeze": 17}
"""The smallest side of an image, in pixels, that passes all pooling layers of a network."""


class LPIPS(nn.Module):
    """Learned perceptual image patch similarity, version 0.1 (Zhang et al. 2018, eq. 1).

    The scalar is the mean over the batch, 0 for equal images. Gradients flow into SR alone.

    `net` is the classification network whose features are compared: ``vgg``, ``alex`` or
    ``squeeze``. The authors advise ``vgg`` for a loss and ``alex`` for a score. The linear layers
    behind it are from the lpips package. `weights` are those of the network:

    - ``pretrained``: torchvision's, which are downloaded once.
    - ``random``: weights from a fixed seed, for baselines and tests.
    - The path of a torchvision state dict.

    Images are ``(B, C, H, W)`` in physical units; `Slices` applies the term to volumes. Values are
    mapped linearly, such that `low` becomes -1 and `high` becomes 1, without clamping. If they are
    None, `low` is 0 and `high` is the data range. `channels` are the bands to compare, counted from
    1. For several lists of bands, the mean distance is taken (see `Bands`).

    Hidden pixels are physical zeros in both images. Features that see hidden pixels alone are
    equal, and add zeros to the mean.

    Raises a `Mistake` for another `net`, unreadable weights, or images that are too small.
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
        """Return the mean distance of SR and HR, both ``(B, C, H, W)``, as a scalar."""
        sr_input = 2 * self.feature_input(sr, data_range=context.data_range) - 1
        hr_input = 2 * self.feature_input(hr, data_range=context.data_range) - 1
        value: Tensor = self.distance(sr_input, hr_input).mean()
        return value.to(sr.dtype)


class LearnedDistance(nn.Module):
    """Distance of RGB images ``(N, 3, H, W)`` in -1 to 1, from the lpips package: ``(N,)``.

    It differs from the package (0.1.4) in how features f are normalised. Here they are divided by
    ``sqrt(|f|² + 1e-8)``. The package divides them by ``|f| + 1e-10``. The gradient of that grows
    without bound as features vanish, and is NaN where their squares underflow.

    No gradient flows into the second image.

    Raises a `Mistake` for an unknown `net`, and for images that are too small for it.
    """

    def __init__(self, *, net: Net, weights: str = "pretrained") -> None:
        super().__init__()
        if net not in _PUBLISHED:
            raise Mistake(f"net is {net!r}; it must be one of {', '.join(_PUBLISHED)}.")
        self.net = net
        self.lpips = _package(net)
        trunk = self.lpips.net
        names = {}
        for name in trunk.state_dict():
            _, _, layer = name.partition(".")
            names[name] = f"features.{layer}"
        fill(trunk, names, weights=weights, published=_PUBLISHED[net])

    def forward(self, sr: Tensor, hr: Tensor) -> Tensor:
        """Return the distance of each SR image from its HR image."""
        smallest = _SMALLEST[self.net]
        if min(sr.shape[2:]) < smallest:
            raise Mistake(
                f"LPIPS with net={self.net} needs images of at least {smallest} pixels a side, and "
                f"these have {tuple(sr.shape[2:])}; use larger crops (data.crop_size) or another "
                "net."
            )
        sr_features = self._features(sr)
        with torch.no_grad():
            hr_features = self._features(hr)

        distances = []
        layers = zip(self.lpips.lins, sr_features, hr_features, strict=True)
        for linear, sr_feature, hr_feature in layers:
            weighted = linear((sr_feature - hr_feature).square())
            distances.append(weighted.mean((1, 2, 3)))
        return torch.stack(distances).sum(0)

    def _features(self, image: Tensor) -> list[Tensor]:
        """Return the features of each layer, with unit length along the channels."""
        scaled = self.lpips.scaling_layer(image)
        normalised = []
        for feature in self.lpips.net(scaled):
            squared_length = feature.square().sum(1, keepdim=True)
            normalised.append(feature / (squared_length + 1e-8).sqrt())
        return normalised


def _package(net: Net) -> Any:
    """Return the package's module with its linear layers; its other weights are arbitrary."""
    import lpips  # takes three seconds, with torchvision

    # The package builds a classifier of 138 M weights and drops it; the meta device makes it free.
    with torch.device("meta"), warnings.catch_warnings(action="ignore"):
        module = lpips.LPIPS(net=net, pretrained=False, pnet_rand=True, verbose=False)
    module.to_empty(device="cpu")
    module.scaling_layer = lpips.ScalingLayer()
    linear = Path(lpips.__file__).parent / "weights" / "v0.1" / f"{net}.pth"
    module.load_state_dict(torch.load(linear, map_location="cpu", weights_only=True), strict=False)
    return module
