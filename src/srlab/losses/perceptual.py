"""The distance between SR and HR in the features of any network."""

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
"""The mean and standard deviation of red, green and blue in 0–1, over ImageNet's training images.

The networks of torchvision and timm expect images that are standardised by them.
"""


class Perceptual(nn.Module):
    """Error between the features that a network sees in SR and in HR (Johnson et al. 2016, eq. 2).

    With φ for the features of a layer, the scalar is the sum over layers of
    ``weight · mean |φ(SR) - φ(HR)|``. With `distance` ``l2`` the error is squared (Ledig et al.
    2017, eq. 5). Gradients flow into SR alone.

    The `extractor` is any module that takes images ``(N, in_channels, *S)`` with `spatial_dims`
    axes in S. It returns a tensor, or a list, tuple or dictionary of tensors. It is kept frozen, in
    evaluation mode and out of checkpoints. `layers` are the outputs to compare, by name or by
    position from 1. None compares all of them. `layer_weights` has a weight for each of them, in
    the same order. None weighs each by 1.

    Images are ``(B, C, *S)`` in physical units. `channels` are the bands to compare, counted from
    1. For several lists of bands, the mean error is taken (see `Bands`). Then values are mapped
    linearly, such that `low` becomes 0 and `high` becomes 1, without clamping. If they are None,
    `low` is 0 and `high` is the data range. Last, `mean` is subtracted and the result is divided by
    `std`. Each has one value for each channel, or is None to leave that step out.

    Hidden pixels are physical zeros in both images. Features that see hidden pixels alone are
    equal, and add zeros to the mean.

    Raises a `Mistake` if layers, weights, channels or sizes do not fit the extractor.
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
        _check(distance, layers, layer_weights)
        self.extractor = Frozen(extractor)
        self.layers = [str(name) for name in layers or ()]
        self.layer_weights = layer_weights
        self.distance = distance
        self.feature_input = FeatureInput(
            channels=channels,
            low=low,
            high=high,
            in_channels=in_channels,
            spatial_dims=spatial_dims,
        )
        standardisation = {"mean": mean or (0.0,), "std": std or (1.0,)}
        for name, values in standardisation.items():
            if len(values) not in (1, in_channels):
                raise Mistake(
                    f"{name} has {len(values)} values for {in_channels} channels; give one each, "
                    "or null."
                )
            shaped = torch.tensor(values).view(-1, *[1] * spatial_dims)
            self.register_buffer(name, shaped, persistent=False)

    def forward(self, sr: Tensor, hr: Tensor, context: Context) -> Tensor:
        """Return the weighted error between SR and HR, both ``(B, C, *S)``, as a scalar."""
        sr_features = self._features(sr, context)
        with torch.no_grad():
            hr_features = self._features(hr, context)

        error = {"l1": F.l1_loss, "l2": F.mse_loss}[self.distance]
        errors = []
        for name, weight in self._chosen(sr_features):
            errors.append(weight * error(sr_features[name], hr_features[name]))
        return torch.stack(errors).sum().to(sr.dtype)

    def _features(self, image: Tensor, context: Context) -> dict[str, Tensor]:
        """Return the outputs of the extractor by name, or by position where they have no names."""
        image = self.feature_input(image, data_range=context.data_range)
        standardised = (image - self.mean) / self.std
        features = self.extractor(standardised)
        if isinstance(features, Tensor):
            return {"1": features}
        if isinstance(features, Mapping):
            return {str(name): feature for name, feature in features.items()}
        return {str(number): feature for number, feature in enumerate(features, start=1)}

    def _chosen(self, features: Mapping[str, Tensor]) -> list[tuple[str, float]]:
        """Return the name and the weight of each layer to compare."""
        layers = self.layers or list(features)
        for name in layers:
            if name not in features:
                raise Mistake(
                    f"the extractor has no output {name!r}; set layers to some of "
                    f"{', '.join(features)}."
                )
            if not features[name].numel():
                raise Mistake(
                    f"the extractor's output {name} is empty; use larger crops (data.crop_size)."
                )
        weights = self.layer_weights or [1.0] * len(layers)
        if len(weights) != len(layers):
            raise Mistake(
                f"the extractor has {len(layers)} outputs for {len(weights)} layer_weights; set "
                "layers."
            )
        return list(zip(layers, weights, strict=True))


def _check(
    distance: str, layers: Sequence[str | int] | None, layer_weights: Sequence[float] | None
) -> None:
    """Refuse a choice of layers that fits no extractor."""
    if distance not in get_args(Distance):
        raise Mistake(
            f"distance is {distance!r}; it must be one of {', '.join(get_args(Distance))}."
        )
    if layers is None:
        return
    if not layers:
        raise Mistake(
            "layers is empty; name at least one output of the extractor, or null for all."
        )
    if layer_weights is not None and len(layers) != len(layer_weights):
        raise Mistake(
            f"{len(layers)} layers have {len(layer_weights)} layer_weights; give one each, or null."
        )
