"""The discriminator of pix2pix."""

from __future__ import annotations

from torch import Tensor, nn

from srlab.discriminators.checks import check_count, check_crop
from srlab.discriminators.protocol import Judgement
from srlab.nn.dims import even_conv
from srlab.nn.normalisation import Normalisation, end_normalisation, normalised


class PatchGANDiscriminator(nn.Module):
    """A PatchGAN: one logit for each patch of an image (Isola et al. 2017, sec. 6.1.2).

    There are `layers` convolutions of stride 2 and then two of stride 1, all of kernel 4. Patches
    overlap, and are ``2**layers · 9 - 2`` pixels wide: 16 for one layer, 34 for two, 70 for three,
    as published.

    Takes images ``(B, in_channels, *S)`` with every side at least ``3 · 2**layers`` pixels. There
    are ``floor(S / 2**layers) - 2`` logits along each axis.

    Batch and instance normalisation leave out the first and the last convolution, but spectral
    normalisation does not. The paper applies batch normalisation to single images, which equals
    instance normalisation.

    Raises a `Mistake` if an argument is not valid, or an image is too small.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        spatial_dims: int = 2,
        channels: int = 64,
        layers: int = 3,
        normalisation: Normalisation = "batch",
    ) -> None:
        super().__init__()
        check_count("channels", channels)
        self.in_channels = in_channels
        self.minimum_size = 3 * 2 ** check_count("layers", layers)

        ends = end_normalisation(normalisation)
        self.stages = nn.ModuleList()
        previous, kind = in_channels, ends
        strides = [2] * layers + [1]
        for index, stride in enumerate(strides):
            width = channels * min(2**index, 8)
            layer = even_conv(spatial_dims, previous, width, stride=stride)
            self.stages.append(nn.Sequential(*normalised(layer, kind), nn.LeakyReLU(0.2)))
            previous, kind = width, normalisation

        last = even_conv(spatial_dims, previous, 1, stride=1)
        self.head = nn.Sequential(*normalised(last, ends))

    def forward(self, image: Tensor) -> Judgement:
        """Return logits ``(B, 1, *patches)``, and features after each convolution but the last."""
        check_crop(image, self.minimum_size, "PatchGAN", remedy="lower discriminator.layers")
        features: list[Tensor] = []
        for stage in self.stages:
            image = stage(image)
            features.append(image)
        return Judgement((self.head(image),), tuple(features))
