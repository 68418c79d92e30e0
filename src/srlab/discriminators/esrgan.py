"""The discriminator of ESRGAN."""

from __future__ import annotations

from typing import Literal, get_args

from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from srlab.discriminators.checks import check_count, check_crop
from srlab.discriminators.protocol import Judgement
from srlab.mistakes import Mistake
from srlab.nn.dims import adaptive_pool, conv, even_conv
from srlab.nn.normalisation import end_normalisation, normalised

ESRGANNormalisation = Literal["batch", "spectral", "none"]


class ESRGANDiscriminator(nn.Module):
    """A VGG-like discriminator with one logit for the whole image (ESRGAN, Wang et al. 2018).

    There are `layers` pairs of convolutions: one of kernel 3, and one of kernel 4 and stride 2. Two
    dense layers follow. The authors use five pairs for crops of 128 pixels and six for crops of
    256. Both leave 4×4 features for the dense layers. Here average pooling yields `pooled_size`
    features along each axis, so that crops of other sizes fit, too.

    Takes images ``(B, in_channels, *S)`` with every side at least ``2**layers`` pixels. Features
    are the outputs of the convolutions of kernel 3. With the `normalisation` ``spectral`` the dense
    layers are normalised, too. The authors use ``batch``.

    Raises a `Mistake` if an argument is not valid, or an image is too small.
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
        previous, kind = in_channels, end_normalisation(normalisation)
        for index in range(layers):
            width = channels * min(2**index, 8)
            same_size = normalised(conv(spatial_dims, previous, width, 3), kind)
            half_size = normalised(even_conv(spatial_dims, width, width, stride=2), normalisation)
            self.before.append(nn.Sequential(*same_size, nn.LeakyReLU(0.2)))
            self.downsamplings.append(nn.Sequential(*half_size, nn.LeakyReLU(0.2)))
            previous, kind = width, normalisation

        pooled_features = previous * pooled_size**spatial_dims
        first_dense: nn.Module = nn.Linear(pooled_features, dense_channels)
        last_dense: nn.Module = nn.Linear(dense_channels, 1)
        if normalisation == "spectral":
            first_dense, last_dense = spectral_norm(first_dense), spectral_norm(last_dense)
        self.classifier = nn.Sequential(
            adaptive_pool(spatial_dims, pooled_size),
            nn.Flatten(),
            first_dense,
            nn.LeakyReLU(0.2),
            last_dense,
        )

    def forward(self, image: Tensor) -> Judgement:
        """Return one logit ``(B, 1)`` for each image, and `layers` feature maps."""
        check_crop(image, self.minimum_size, "ESRGAN", remedy="lower discriminator.layers")
        features: list[Tensor] = []
        for before, downsample in zip(self.before, self.downsamplings, strict=True):
            features.append(before(image))
            image = downsample(features[-1])
        return Judgement((self.classifier(image),), tuple(features))
