"""The discriminator of ESRGAN."""

from __future__ import annotations

from typing import Literal, get_args

from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from srlab.discriminators.checks import check_count, check_crop
from srlab.discriminators.protocol import Judgement
from srlab.mistakes import Mistake
from srlab.nn.dims import adaptive_pool, conv, even_conv
from srlab.nn.normalisation import at_the_ends, normalised

ESRGANNormalisation = Literal["batch", "spectral", "none"]


class ESRGANDiscriminator(nn.Module):
    """Pairs of a 3-tap and a strided 4-tap convolution, then two dense layers (Wang et al. 2018).

    Gives one logit for the whole image, of ``(B, in_channels, *S)`` with every side at least
    ``2**layers`` pixels. The features are the maps before each downsampling. The authors' network
    has batch normalisation. It has five pairs for crops of 128, whose 4×4 cells enter the dense
    layers unpooled, and six for 256. Here the features are averaged to `pooled_size` cells per
    axis, so that any other crop size fits. `spectral` covers every layer, dense ones included.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        spatial_dims: int = 2,
        channels: int = 64,
        layers: int = 5,
        normalisation: ESRGANNormalisation = "batch",
        pooled_size: int = 4,
        dense_channels: int = 100,
    ) -> None:
        super().__init__()
        check_count("channels", channels)
        check_count("pooled_size", pooled_size)
        check_count("dense_channels", dense_channels)
        kinds = get_args(ESRGANNormalisation)
        if normalisation not in kinds:
            raise Mistake(
                f"normalisation is {normalisation!r}; it must be one of {', '.join(kinds)}."
            )
        self.in_channels = in_channels
        self.minimum_size = 2 ** check_count("layers", layers)
        self.before, self.downsamplings = nn.ModuleList(), nn.ModuleList()
        previous, kind = in_channels, at_the_ends(normalisation)
        for index in range(layers):
            width = channels * min(2**index, 8)
            same = normalised(conv(spatial_dims, previous, width, 3), kind)
            half = normalised(even_conv(spatial_dims, width, width, stride=2), normalisation)
            self.before.append(nn.Sequential(*same, nn.LeakyReLU(0.2)))
            self.downsamplings.append(nn.Sequential(*half, nn.LeakyReLU(0.2)))
            previous, kind = width, normalisation
        dense: list[nn.Module] = [
            nn.Linear(previous * pooled_size**spatial_dims, dense_channels),
            nn.Linear(dense_channels, 1),
        ]
        if normalisation == "spectral":
            dense = [spectral_norm(layer) for layer in dense]
        self.classifier = nn.Sequential(
            adaptive_pool(spatial_dims, pooled_size),
            nn.Flatten(),
            dense[0],
            nn.LeakyReLU(0.2),
            dense[1],
        )

    def forward(self, image: Tensor) -> Judgement:
        """One logit ``(B, 1)`` and `layers` feature maps, the first of the image's size."""
        check_crop(image, self.minimum_size, "ESRGAN", remedy="lower discriminator.layers")
        features: list[Tensor] = []
        for before, downsample in zip(self.before, self.downsamplings, strict=True):
            features.append(before(image))
            image = downsample(features[-1])
        return Judgement((self.classifier(image),), tuple(features))
