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


def _layers() -> tuple[str, ...]:
    names = []
    for block, depth in enumerate(_DEPTHS, start=1):
        for place in range(1, depth + 1):
            names += [f"conv{block}_{place}", f"relu{block}_{place}"]
        names.append(f"pool{block}")
    return tuple(names)


LAYERS = _layers()
"""VGG19's convolutional layers in torchvision's order: ``conv1_1``, ``relu1_1``, … ``pool5``."""


class PerceptualVGG(nn.Module):
    """Error of VGG19's features (ESRGAN: Wang et al. 2018, sec. 3.2; SRGAN: Ledig et al. 2017).

    `layers` are chosen by name, and `layer_weights` are theirs in the same order (None: 1 each).
    The default ``conv5_4``, the fourth convolution before the fifth pooling, is ESRGAN's. SRGAN
    takes its activation ``relu5_4``, with `distance` ``l2`` (eq. 5). `weights` is ``pretrained``,
    ``random`` or the path of ``vgg19-dcbb9e9d.pth`` (see `VGGFeatures`).

    Images are in physical units. `channels`, `low` and `high` make them VGG's input, and hidden
    pixels mean the same, as in `Perceptual`. Volumes need `Slices`.
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
    """VGG19 up to the last layer asked for (Simonyan & Zisserman 2015, configuration E).

    It takes RGB images ``(N, 3, H, W)``, standardised as ImageNet's. It returns a dictionary of the
    `layers` asked for, by their names in `LAYERS`. Each pooling halves the image: ``conv5_4`` comes
    after four and needs 16 pixels a side.

    `weights` is ``pretrained`` (torchvision's, downloaded once), ``random`` (of a fixed seed, as a
    baseline and for tests), or the path of torchvision's state dict.
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
        # On the meta device: otherwise torch would draw weights from the global seed, for nothing.
        with torch.device("meta"):
            self.stages = nn.ModuleDict({name: _stage(name, layers) for name in LAYERS[:depth]})
        self.stages.to_empty(device="cpu")
        self.least = 2 ** sum(name.startswith("pool") for name in self.stages)
        theirs = {}
        for name in self.stages.state_dict():
            stage, tensor = name.split(".")
            theirs[name] = f"features.{LAYERS.index(stage)}.{tensor}"
        fill(self.stages, theirs, weights=weights, published="VGG19_Weights.IMAGENET1K_V1")

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Return the layers asked for, by name and in the order of the network."""
        if min(image.shape[2:]) < self.least:
            raise Mistake(
                f"VGG19's {list(self.stages)[-1]} needs images of at least {self.least} pixels a "
                f"side, and these have {tuple(image.shape[2:])}; use larger crops "
                "(data.crop_size) or layers before it."
            )
        found = {}
        for name, stage in self.stages.items():
            image = stage(image)
            if name in self.wanted:
                found[name] = image
        return found


def _stage(name: str, wanted: Sequence[str]) -> nn.Module:
    """The module of one layer, whose weights are filled in later."""
    kind, block = name[:4], int(name[4])
    if kind == "pool":
        return nn.MaxPool2d(2)
    if kind == "relu":
        # In place, unless the output of the convolution before it is asked for.
        return nn.ReLU(inplace=name.replace("relu", "conv") not in wanted)
    width = before = _WIDTHS[block - 1]
    if name.endswith("_1"):
        before = (3, *_WIDTHS)[block - 1]
    return nn.Conv2d(before, width, 3, padding=1)
