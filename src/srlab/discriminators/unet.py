"""The discriminator of Real-ESRGAN."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from srlab.discriminators.checks import check_count, check_crop
from srlab.discriminators.protocol import Judgement
from srlab.nn.dims import Conv, conv, even_conv, resize_linear
from srlab.nn.normalisation import normalised


class UNetDiscriminator(nn.Module):
    """A U-Net with spectral normalisation (Wang et al. 2021, fig. 6, sec. 3.4).

    Gives one logit for each pixel of ``(B, in_channels, *S)`` with every side at least
    ``2**layers`` pixels. `layers` 4-tap convolutions of stride 2 (three in the paper) lead down.
    Linear interpolation, 3-tap convolutions and added skip connections lead up; odd sizes are met
    by interpolating to the encoder's size. As in the authors' network, the first and the last
    convolution are not normalised, and they alone have a bias.
    """

    def __init__(
        self, *, in_channels: int, spatial_dims: int = 2, channels: int = 64, layers: int = 3
    ) -> None:
        super().__init__()
        check_count("channels", channels)
        self.in_channels = in_channels
        self.minimum_size = 2 ** check_count("layers", layers)
        widths = [channels * min(2**index, 8) for index in range(layers + 1)]
        self.stem = nn.Sequential(conv(spatial_dims, in_channels, channels, 3), nn.LeakyReLU(0.2))
        self.encoder = nn.ModuleList(
            _spectral(even_conv(spatial_dims, fine, coarse, stride=2, bias=False))
            for fine, coarse in pairwise(widths)
        )
        self.decoder = nn.ModuleList(
            _spectral(conv(spatial_dims, coarse, fine, 3, bias=False))
            for coarse, fine in pairwise(reversed(widths))
        )
        self.tail = nn.ModuleList(
            _spectral(conv(spatial_dims, channels, channels, 3, bias=False)) for _ in range(2)
        )
        self.head = conv(spatial_dims, channels, 1, 3)

    def forward(self, image: Tensor) -> Judgement:
        """Logits ``(B, 1, *S)`` and the features after each convolution but the last."""
        check_crop(image, self.minimum_size, "U-Net", remedy="lower discriminator.layers")
        features = [self.stem(image)]
        for stage in self.encoder:
            features.append(stage(features[-1]))
        skips = features[-2::-1]
        for stage, skip in zip(self.decoder, skips, strict=True):
            features.append(stage(resize_linear(features[-1], skip.shape[2:])) + skip)
        for stage in self.tail:
            features.append(stage(features[-1]))
        return Judgement((self.head(features[-1]),), tuple(features))


def _spectral(layer: Conv) -> nn.Sequential:
    return nn.Sequential(*normalised(layer, "spectral"), nn.LeakyReLU(0.2))
