"""The discriminator of pix2pixHD."""

from __future__ import annotations

from torch import Tensor, nn

from srlab.discriminators.checks import check_count, check_crop
from srlab.discriminators.patchgan import PatchGANDiscriminator
from srlab.discriminators.protocol import Judgement
from srlab.nn.dims import halving_pool
from srlab.nn.normalisation import Normalisation


class MultiscaleDiscriminator(nn.Module):
    """Several PatchGANs, one for each level of an image pyramid (Wang et al. 2018, sec. 3.2).

    There are `scales` levels. The first PatchGAN judges the image, and each further one the
    previous image averaged to half its size. They share no weights. PatchGANs of fine levels judge
    the texture, those of coarse levels the composition.

    Takes images ``(B, in_channels, *S)``. Every side must have at least
    ``(3 · 2**layers - 1) · 2**(scales - 1) + 1`` pixels, which is 93 for the published sizes. The
    logits and features of the finest level come first.

    Two details differ from the authors' code. Convolutions are padded by one pixel, as in pix2pix,
    and not by two. Instance normalisation has a learnt scale and shift.

    Raises a `Mistake` if an argument is not valid, or an image is too small.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        spatial_dims: int = 2,
        channels: int = 64,
        layers: int = 3,
        normalisation: Normalisation = "instance",
        scales: int = 3,
    ) -> None:
        super().__init__()
        check_count("channels", channels)
        self.in_channels = in_channels
        check_count("scales", scales)
        self.heads = nn.ModuleList(
            PatchGANDiscriminator(
                in_channels=in_channels,
                spatial_dims=spatial_dims,
                channels=channels,
                layers=layers,
                normalisation=normalisation,
            )
            for _ in range(scales)
        )
        self.halve = halving_pool(spatial_dims)
        # Each halving rounds up. The coarsest level has the 3 · 2**layers pixels that it needs.
        self.minimum_size = (3 * 2**layers - 1) * 2 ** (scales - 1) + 1

    def forward(self, image: Tensor) -> Judgement:
        """Return logits ``(B, 1, *patches)`` and features of each level, the finest first."""
        remedy = "lower discriminator.scales or discriminator.layers"
        check_crop(image, self.minimum_size, "multiscale", remedy=remedy)
        logits: list[Tensor] = []
        features: list[Tensor] = []
        for index, head in enumerate(self.heads):
            if index > 0:
                image = self.halve(image)
            judgement = head(image)
            logits.extend(judgement.logits)
            features.extend(judgement.features)
        return Judgement(tuple(logits), tuple(features))
