"""The discriminator of SRGAN."""

from __future__ import annotations

from torch import Tensor, nn

from srlab.discriminators.checks import check_count, check_crop
from srlab.discriminators.protocol import Judgement
from srlab.nn.dims import adaptive_pool, conv
from srlab.nn.normalisation import Normalisation, normalised


class SRGANDiscriminator(nn.Module):
    """Strided convolutions and two dense layers (Ledig et al. 2017, fig. 4).

    Gives one logit for the whole image, of ``(B, in_channels, *S)`` with every side at least 16
    pixels. Batch normalisation cannot train on one single crop of 16, which raises a `Mistake`. The
    features are averaged to `pooled_size` cells per axis before the dense layers, so that any crop
    size fits. The paper's crops of 96 leave 6 cells.
    """

    minimum_size = 16

    def __init__(
        self,
        *,
        in_channels: int,
        spatial_dims: int = 2,
        channels: int = 64,
        pooled_size: int = 6,
        dense_channels: int = 1024,
    ) -> None:
        super().__init__()
        check_count("channels", channels)
        check_count("pooled_size", pooled_size)
        check_count("dense_channels", dense_channels)
        self.in_channels = in_channels
        self.stages = nn.ModuleList()
        kind: Normalisation = "none"
        previous = in_channels
        for index, factor in enumerate((1, 1, 2, 2, 4, 4, 8, 8)):
            layer = conv(spatial_dims, previous, channels * factor, 3, stride=1 + index % 2)
            self.stages.append(nn.Sequential(*normalised(layer, kind), nn.LeakyReLU(0.2)))
            previous, kind = channels * factor, "batch"
        self.classifier = nn.Sequential(
            adaptive_pool(spatial_dims, pooled_size),
            nn.Flatten(),
            nn.Linear(previous * pooled_size**spatial_dims, dense_channels),
            nn.LeakyReLU(0.2),
            nn.Linear(dense_channels, 1),
        )

    def forward(self, image: Tensor) -> Judgement:
        """One logit ``(B, 1)`` and the features after each of the eight convolutions."""
        check_crop(image, self.minimum_size, "SRGAN")
        features: list[Tensor] = []
        for stage in self.stages:
            image = stage(image)
            features.append(image)
        return Judgement((self.classifier(image),), tuple(features))
