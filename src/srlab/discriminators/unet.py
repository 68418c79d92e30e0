"""The discriminator of Real-ESRGAN."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from srlab.discriminators.checks import check_count, check_crop
from srlab.discriminators.protocol import Judgement
from srlab.nn.dims import Conv, conv, even_conv, resize_linear
from srlab.nn.normalisation import normalised


class UNetDiscriminator(nn.Module):
    """A U-Net with one logit for each pixel (Real-ESRGAN, Wang et al. 2021, fig. 6, sec. 3.4).

    The encoder has `layers` convolutions of kernel 4 and stride 2, three as published. Each step of
    the decoder enlarges the features by linear interpolation to the size of the encoder's features.
    It then applies a convolution of kernel 3, and adds the encoder's features.

    Takes images ``(B, in_channels, *S)`` with every side at least ``2**layers`` pixels.
    Convolutions have spectral normalisation and no bias. As in the authors' network, only the first
    and the last one have a bias and no normalisation.

    Raises a `Mistake` if an argument is not valid, or an image is too small.
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
        self.encoder = nn.ModuleList()
        for fine, coarse in pairwise(widths):
            halving = even_conv(spatial_dims, fine, coarse, stride=2, bias=False)
            self.encoder.append(_spectral_stage(halving))
        self.decoder = nn.ModuleList()
        for coarse, fine in pairwise(reversed(widths)):
            narrowing = conv(spatial_dims, coarse, fine, 3, bias=False)
            self.decoder.append(_spectral_stage(narrowing))
        self.tail = nn.ModuleList()
        for _ in range(2):
            layer = conv(spatial_dims, channels, channels, 3, bias=False)
            self.tail.append(_spectral_stage(layer))
        self.head = conv(spatial_dims, channels, 1, 3)

    def forward(self, image: Tensor) -> Judgement:
        """Return logits ``(B, 1, *S)``, and features after each convolution but the last."""
        check_crop(image, self.minimum_size, "U-Net", remedy="lower discriminator.layers")
        features = [self.stem(image)]
        for stage in self.encoder:
            features.append(stage(features[-1]))

        skips = features[-2::-1]  # the encoder's features but the last, from coarse to fine
        for stage, skip in zip(self.decoder, skips, strict=True):
            enlarged = resize_linear(features[-1], skip.shape[2:])
            features.append(stage(enlarged) + skip)

        for stage in self.tail:
            features.append(stage(features[-1]))
        return Judgement((self.head(features[-1]),), tuple(features))


def _spectral_stage(layer: Conv) -> nn.Sequential:
    return nn.Sequential(*normalised(layer, "spectral"), nn.LeakyReLU(0.2))
