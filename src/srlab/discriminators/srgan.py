"""The discriminator of SRGAN."""

from __future__ import annotations

from torch import Tensor, nn

from srlab.discriminators.checks import check_crop
from srlab.discriminators.judgement import Judgement
from srlab.nn.dims import adaptive_pool, conv
from srlab.nn.normalisation import normalised


class SRGANDiscriminator(nn.Module):
    """Strided convolutions and two dense layers: one logit for the whole image (Ledig et al. 2017, fig. 4).

    Takes ``(B, in_channels, *S)`` with every side at least 16 pixels; batch normalisation cannot train on one single
    crop of 16, which raises a ``ValueError``. The features are averaged to `pooled_size` cells per axis before the
    dense layers, so that any crop size fits; 6 is the paper's size for crops of 96.
    """

    MINIMUM_SIZE = 16

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
        widths = [channels * factor for factor in (1, 1, 2, 2, 4, 4, 8, 8)]
        self.stages = nn.ModuleList()
        previous = in_channels
        for index, width in enumerate(widths):
            layer = conv(spatial_dims, previous, width, 3, stride=1 + index % 2)
            self.stages.append(
                nn.Sequential(
                    *normalised(layer, "batch" if index > 0 else "none"), nn.LeakyReLU(0.2)
                )
            )
            previous = width
        self.classifier = nn.Sequential(
            adaptive_pool(spatial_dims, pooled_size),
            nn.Flatten(),
            nn.Linear(previous * pooled_size**spatial_dims, dense_channels),
            nn.LeakyReLU(0.2),
            nn.Linear(dense_channels, 1),
        )

    def forward(self, image: Tensor) -> Judgement:
        """One logit ``(B, 1)`` and the features after each of the eight convolutions."""
        check_crop(image, minimum=self.MINIMUM_SIZE, discriminator="SRGAN")
        features: list[Tensor] = []
        for stage in self.stages:
            image = stage(image)
            features.append(image)
        return Judgement((self.classifier(image),), tuple(features))
