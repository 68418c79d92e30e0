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
"""The channels of the convolutions in each of VGG19's five blocks."""

_DEPTHS = (2, 2, 4, 4, 4)
"""The number of convolutions in each block."""


def _layers() -> tuple[str, ...]:
    """Return the names of all layers, block by block."""
    names = []
    for block, depth in enumerate(_DEPTHS, start=1):
        for place in range(1, depth + 1):
            names += [f"conv{block}_{place}", f"relu{block}_{place}"]
        names.append(f"pool{block}")
    return tuple(names)


LAYERS = _layers()
"""The names of VGG19's layers in torchvision's order: ``conv1_1``, ``relu1_1``, … ``pool5``.

``convN_M`` is the M-th convolution of block N, and ``reluN_M`` is its activation. ``poolN`` is the
pooling at the end of the block.
"""


class PerceptualVGG(nn.Module):
    """Error between VGG19's features of SR and HR (Ledig et al. 2017; Wang et al. 2018, sec. 3.3).

    `layers` are the names of the layers to compare (see `LAYERS`). The default is that of ESRGAN
    (Wang et al. 2018): ``conv5_4``, before the activation, with `distance` ``l1``. SRGAN (Ledig et
    al. 2017, eq. 5) takes ``relu5_4``, after the activation, with ``l2``. `layer_weights` has a
    weight for each layer, in the same order. None weighs each by 1.

    `weights` is ``pretrained``, ``random``, or the path of ``vgg19-dcbb9e9d.pth`` (see
    `VGGFeatures`).

    Images are ``(B, C, H, W)`` in physical units; `Slices` applies the term to volumes. The scalar,
    `channels`, `low`, `high` and hidden pixels are as in `Perceptual`, with RGB as the input.

    Raises a `Mistake` as `Perceptual` and `VGGFeatures` do.
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
        """Return the weighted error between SR and HR, both ``(B, C, H, W)``, as a scalar."""
        value: Tensor = self.perceptual(sr, hr, context)
        return value


class VGGFeatures(nn.Module):
    """VGG19, up to the last of the chosen layers (Simonyan & Zisserman 2015, configuration E).

    It takes RGB images ``(N, 3, H, W)``, standardised like ImageNet's (see
    `srlab.losses.perceptual`). It returns a dictionary of the outputs of the chosen `layers`, by
    their names in `LAYERS`. Each pooling halves the image. Four poolings come before ``conv5_4``,
    so that layer needs at least 16 pixels a side.

    `weights` is one of three:

    - ``pretrained``: torchvision's weights, which are downloaded once.
    - ``random``: weights from a fixed seed, for baselines and tests.
    - The path of a torchvision state dict.

    Raises a `Mistake` for unknown layers, unreadable weights, or images that are too small.
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
        # Elsewhere than on the meta device, torch would use up random numbers for initial weights.
        with torch.device("meta"):
            self.stages = nn.ModuleDict({name: _stage(name, layers) for name in LAYERS[:depth]})
        self.stages.to_empty(device="cpu")
        poolings = sum(name.startswith("pool") for name in self.stages)
        self.smallest = 2**poolings

        names = {}
        for name in self.stages.state_dict():
            stage, tensor = name.split(".")
            names[name] = f"features.{LAYERS.index(stage)}.{tensor}"
        fill(self.stages, names, weights=weights, published="VGG19_Weights.IMAGENET1K_V1")

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Return the outputs of the chosen layers by name, in the order of the network."""
        if min(image.shape[2:]) < self.smallest:
            last = list(self.stages)[-1]
            raise Mistake(
                f"VGG19's {last} needs images of at least {self.smallest} pixels a side, and these "
                f"have {tuple(image.shape[2:])}; use larger crops (data.crop_size) or layers "
                "before it."
            )
        found = {}
        for name, stage in self.stages.items():
            image = stage(image)
            if name in self.wanted:
                found[name] = image
        return found


def _stage(name: str, wanted: Sequence[str]) -> nn.Module:
    """Return the module of one layer; its weights are loaded later."""
    kind, block = name[:4], int(name[4])
    if kind == "pool":
        return nn.MaxPool2d(2)
    if kind == "relu":
        # It must not overwrite the output of the convolution before it if that is wanted, too.
        convolution = name.replace("relu", "conv")
        return nn.ReLU(inplace=convolution not in wanted)

    out_channels = _WIDTHS[block - 1]
    in_channels = out_channels
    if name.endswith("_1"):
        in_channels = (3, *_WIDTHS)[block - 1]
    return nn.Conv2d(in_channels, out_channels, 3, padding=1)
