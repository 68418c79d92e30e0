"""The distance of SR and HR in the features of any network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from srlab.losses.bands import Channels, FeatureInput
from srlab.losses.context import Context
from srlab.losses.frozen import Frozen
from srlab.mistakes import Mistake

Distance = Literal["l1", "l2"]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
"""Of red, green and blue in 0–1 over ImageNet's training images, which torchvision's and timm's networks expect."""


class Perceptual(nn.Module):
    """Mean absolute or squared error of a network's features (Johnson et al. 2016, eq. 2; Ledig et al. 2017, eq. 5).

    ``Σ weight · mean |φ(SR) - φ(HR)|`` over the layers, or of the square with `distance` ``l2``. The `extractor` is any
    module from images ``(N, in_channels, *S)`` to a tensor, or to a list, tuple or dictionary of tensors; it is frozen,
    kept in evaluation mode, and in no checkpoint. `layers` chooses outputs by name or by position from 1 (None: all),
    and `layer_weights` are their weights in that order (None: 1 each).

    Images are in physical units: `low` to `high` becomes 0–1, without clamping (None: 0 and the context's
    ``data_range``), from which `mean` is subtracted and which is divided by `std`, each a value a channel (None:
    neither). `channels` chooses bands from 1 and may be several lists, whose mean is taken, see `Bands`. Gradients flow
    into SR alone. Hidden pixels are physical zeros in both images: features that see nothing else agree, and count in
    the mean.
    """

    space = "physical"
    mean: Tensor
    std: Tensor

    def __init__(
        self,
        *,
        extractor: nn.Module,
        layers: Sequence[str | int] | None = None,
        layer_weights: Sequence[float] | None = None,
        distance: Distance = "l1",
        in_channels: int = 3,
        spatial_dims: int = 2,
        channels: Channels | None = None,
        low: float | None = None,
        high: float | None = None,
        mean: Sequence[float] | None = IMAGENET_MEAN,
        std: Sequence[float] | None = IMAGENET_STD,
    ) -> None:
        super().__init__()
        if distance not in get_args(Distance):
            raise Mistake(
                f"distance is {distance!r}; it must be one of {', '.join(get_args(Distance))}."
            )
        if layers is not None and not layers:
            raise Mistake(
                "layers is empty; name at least one output of the extractor, or null for all."
            )
        if layers is not None and layer_weights is not None and len(layers) != len(layer_weights):
            raise Mistake(
                f"{len(layers)} layers have {len(layer_weights)} layer_weights; give one each, or null."
            )
        self.extractor = Frozen(extractor)
        self.layers = None if layers is None else [str(name) for name in layers]
        self.layer_weights = layer_weights
        self.distance = distance
        self.shown = FeatureInput(
            channels=channels,
            low=low,
            high=high,
            in_channels=in_channels,
            spatial_dims=spatial_dims,
        )
        for name, values in (
            ("mean", (0.0,) if mean is None else mean),
            ("std", (1.0,) if std is None else std),
        ):
            if len(values) not in (1, in_channels):
                raise Mistake(
                    f"{name} has {len(values)} values for {in_channels} channels; give one each, or null."
                )
            self.register_buffer(
                name, torch.tensor(values).view(-1, *[1] * spatial_dims), persistent=False
            )

    def forward(self, sr: Tensor, hr: Tensor, context: Context) -> Tensor:
        """Compare SR with HR, both ``(B, C, *S)`` in physical units: a scalar."""
        found = self._features(sr, context)
        with torch.no_grad():
            wanted = self._features(hr, context)
        error = F.l1_loss if self.distance == "l1" else F.mse_loss
        errors = [weight * error(found[name], wanted[name]) for name, weight in self._chosen(found)]
        return torch.stack(errors).sum().to(sr.dtype)

    def _features(self, image: Tensor, context: Context) -> dict[str, Tensor]:
        features = self.extractor((self.shown(image, context) - self.mean) / self.std)
        if isinstance(features, Tensor):
            return {"1": features}
        if isinstance(features, Mapping):
            return {str(name): feature for name, feature in features.items()}
        return {str(number): feature for number, feature in enumerate(features, start=1)}

    def _chosen(self, features: Mapping[str, Tensor]) -> list[tuple[str, float]]:
        layers = list(features) if self.layers is None else self.layers
        for name in layers:
            if name not in features:
                raise Mistake(
                    f"the extractor has no output {name!r}; set layers to some of {', '.join(features)}."
                )
            if not features[name].numel():
                raise Mistake(
                    f"the extractor's output {name} is empty; use larger crops (data.crop_size)."
                )
        weights = [1.0] * len(layers) if self.layer_weights is None else self.layer_weights
        if len(weights) != len(layers):
            raise Mistake(
                f"the extractor has {len(layers)} outputs for {len(weights)} layer_weights; set layers."
            )
        return list(zip(layers, weights, strict=True))
