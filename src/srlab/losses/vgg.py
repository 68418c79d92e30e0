"""The perceptual loss of SRGAN and ESRGAN, on features of VGG19."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from srlab.losses.bands import Channels
from srlab.losses.context import Context
from srlab.losses.perceptual import Distance, Perceptual
from srlab.losses.published import fill
from srlab.mistakes import Mistake

_WIDTHS = (64, 128, 256, 512, 512)
_DEPTHS = (2, 2, 4, 4, 4)

LAYERS = tuple(
    name
    for block, depth in enumerate(_DEPTHS, start=1)
    for name in (
        *(f"{kind}{block}_{place}" for place in range(1, depth + 1) for kind in ("conv", "relu")),
        f"pool{block}",
    )
)
"""VGG19's convolutional layers in their order, which is torchvision's: ``conv1_1``, ``relu1_1``, … ``pool5``."""


class PerceptualVGG(nn.Module):
    """Error of VGG19's features, by default before the activation, as in ESRGAN (Wang et al. 2018, sec. 3.2).

    `layers` are chosen by their names, and `layer_weights` are theirs in that order (None: 1 each): ``conv5_4`` is the
    fourth convolution before the fifth pooling, ``relu5_4`` its activation, which SRGAN compares (Ledig et al. 2017,
    eq. 5; with `distance` ``l2``). `weights` is ``pretrained``, ``random`` or the path of ``vgg19-dcbb9e9d.pth``, see
    `VGGFeatures`.

    Images are in physical units, and `channels`, `low`, `high` bring them into what VGG takes; that, and what hidden
    pixels mean, is as in `Perceptual`. Volumes need `Slices`.
    """

    space = "physical"

    def __init__(
        self,
        *,
        layers: Sequence[str] = ("conv5_4",),
        layer_weights: Sequence[float] | None = None,
        distance: Distance = "l1",
        weights: str = "pretrained",
        channels: Channels | None = None,
        low: float | None = None,
        high: float | None = None,
    ) -> None:
        super().__init__()
        self.perceptual = Perceptual(
            extractor=VGGFeatures(layers=layers, weights=weights),
            layers=layers,
            layer_weights=layer_weights,
            distance=distance,
            channels=channels,
            low=low,
            high=high,
        )

    def forward(self, sr: Tensor, hr: Tensor, context: Context) -> Tensor:
        """Compare SR with HR, both ``(B, C, H, W)`` in physical units: a scalar."""
        value: Tensor = self.perceptual(sr, hr, context)
        return value


class VGGFeatures(nn.Module):
    """The layers of VGG19 (Simonyan and Zisserman 2015, configuration E), up to the last one that is asked for.

    Takes RGB images ``(N, 3, H, W)``, standardised as ImageNet's, and returns a dictionary of the asked `layers`, named
    as in `LAYERS`. Each pooling halves the image: ``conv5_4`` comes after four and needs 16 pixels a side. `weights` is
    ``pretrained`` (torchvision's, downloaded once), ``random`` (of a fixed seed: a baseline, and for tests), or the
    path of torchvision's state dict.
    """

    def __init__(self, *, layers: Sequence[str], weights: str = "pretrained") -> None:
        super().__init__()
        unknown = [name for name in layers if name not in LAYERS]
        if unknown or not layers:
            raise Mistake(
                f"VGG19's layers were to be {list(layers)}; choose some of {', '.join(LAYERS)}."
            )
        self.wanted = tuple(layers)
        depth = max(LAYERS.index(name) for name in layers) + 1
        with torch.device("meta"):  # else torch fills it from the global seed, to no end
            self.stages = nn.ModuleDict({name: _stage(name, layers) for name in LAYERS[:depth]})
        self.stages.to_empty(device="cpu")
        self.least = 2 ** sum(name.startswith("pool") for name in self.stages)
        numbers = {name: str(number) for number, name in enumerate(LAYERS)}
        names = {name: name.split(".") for name in self.stages.state_dict()}
        theirs = {
            name: f"features.{numbers[stage]}.{tensor}" for name, (stage, tensor) in names.items()
        }
        fill(self.stages, theirs, weights=weights, published="VGG19_Weights.IMAGENET1K_V1")

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Return the asked layers by name, in the order of the network."""
        if min(image.shape[2:]) < self.least:
            raise Mistake(
                f"VGG19's {list(self.stages)[-1]} needs images of at least {self.least} pixels a side, and these have "
                f"{tuple(image.shape[2:])}; use larger crops (data.crop_size) or layers before it."
            )
        found = {}
        for name, stage in self.stages.items():
            image = stage(image)
            if name in self.wanted:
                found[name] = image
        return found


def _stage(name: str, wanted: Sequence[str]) -> nn.Module:
    kind, block = name[:4], int(name[4])
    if kind == "pool":
        return nn.MaxPool2d(2)
    if kind == "relu":  # in place, unless the convolution's own output is asked for
        return nn.ReLU(inplace=name.replace("relu", "conv") not in wanted)
    before = (3, *_WIDTHS)[block - 1] if name.endswith("_1") else _WIDTHS[block - 1]
    return nn.Conv2d(before, _WIDTHS[block - 1], 3, padding=1)
