"""The discriminator of SRGAN."""

from __future__ import annotations

from torch import Tensor, nn

from srlab.discriminators.checks import check_count, check_crop
from srlab.discriminators.protocol import Judgement
from srlab.nn.dims import adaptive_pool, conv
from srlab.nn.normalisation import Normalisation, normalised


class SRGANDiscriminator(nn.Module):
    """A VGG-like discriminator with one logit for the whole image (Ledig et al. 2017, fig. 4).

    Eight convolutions of kernel 3, every second one of stride 2, precede two dense layers. Average
    pooling leaves `pooled_size` features along each axis for the dense layers, so that crops of any
    size fit. The paper needs no pooling: its crops of 96 pixels leave 6 features along each axis.

    Takes images ``(B, in_channels, *S)`` with every side at least 16 pixels.

    Raises a `Mistake` if an argument is not valid, or an image is too small. Batch normalisation
    raises one in training, too, if the batch is a single crop of 16 pixels.
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
        kind: Normalisation = "none"  # the first convolution is not normalised
        previous = in_channels
        for index, factor in enumerate((1, 1, 2, 2, 4, 4, 8, 8)):
            width, stride = channels * factor, 1 + index % 2
            layer = conv(spatial_dims, previous, width, 3, stride=stride)
            self.stages.append(nn.Sequential(*normalised(layer, kind), nn.LeakyReLU(0.2)))
            previous, kind = width, "batch"

        self.classifier = nn.Sequential(
            adaptive_pool(spatial_dims, pooled_size),
            nn.Flatten(),
            nn.Linear(previous * pooled_size**spatial_dims, dense_channels),
            nn.LeakyReLU(0.2),
            nn.Linear(dense_channels, 1),
        )

    def forward(self, image: Tensor) -> Judgement:
        """Return one logit ``(B, 1)`` for each image, and features after each convolution."""
        check_crop(image, self.minimum_size, "SRGAN")
        features: list[Tensor] = []
        for stage in self.stages:
            image = stage(image)
            features.append(image)
        return Judgement((self.classifier(image),), tuple(features))
