"""The discriminator of pix2pix."""

from __future__ import annotations

from torch import Tensor, nn

from srlab.discriminators.checks import check_count, check_crop
from srlab.discriminators.judgement import Judgement
from srlab.nn.dims import even_conv
from srlab.nn.normalisation import Normalisation, at_the_ends, normalised


class PatchGANDiscriminator(nn.Module):
    """One logit for each of the overlapping patches of an image (Isola et al. 2017, sec. 6.1.2).

    `layers` convolutions of stride 2 and two of stride 1, all of kernel 4: a logit sees a patch of
    ``2**layers · 9 - 2`` pixels a side, 16 for one layer, 34 for two, 70 for the paper's three. Takes
    ``(B, in_channels, *S)`` with every side at least ``3 · 2**layers`` and gives ``floor(S / 2**layers) - 2`` logits
    an axis. The paper normalises batches (of one image, which `instance` makes of any batch); the first and the last
    layer stay without. `spectral` covers every layer.
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
        self.minimum_size = 3 * 2 ** check_count("layers", layers)
        widths = [channels * min(2**index, 8) for index in range(layers + 1)]
        self.stages = nn.ModuleList()
        previous = in_channels
        for index, width in enumerate(widths):
            layer = even_conv(spatial_dims, previous, width, stride=2 if index < layers else 1)
            kind = normalisation if index > 0 else at_the_ends(normalisation)
            self.stages.append(nn.Sequential(*normalised(layer, kind), nn.LeakyReLU(0.2)))
            previous = width
        self.head = nn.Sequential(
            *normalised(even_conv(spatial_dims, previous, 1, stride=1), at_the_ends(normalisation))
        )

    def forward(self, image: Tensor) -> Judgement:
        """Logits ``(B, 1, *patches)`` and the features after each convolution but the last."""
        check_crop(
            image,
            minimum=self.minimum_size,
            discriminator="PatchGAN",
            remedy="lower discriminator.layers",
        )
        features: list[Tensor] = []
        for stage in self.stages:
            image = stage(image)
            features.append(image)
        return Judgement((self.head(image),), tuple(features))
