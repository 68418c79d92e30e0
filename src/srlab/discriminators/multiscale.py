"""The discriminator of pix2pixHD."""

from __future__ import annotations

from torch import Tensor, nn

from srlab.discriminators.checks import check_count, check_crop
from srlab.discriminators.patchgan import PatchGANDiscriminator
from srlab.discriminators.protocol import Judgement
from srlab.nn.dims import halving_pool
from srlab.nn.normalisation import Normalisation


class MultiscaleDiscriminator(nn.Module):
    """A PatchGAN with its own weights for each scale of a pyramid (Wang et al. 2018, sec. 3.2).

    The first head sees the image, each further one the image before it averaged to half the size.
    Coarse heads judge the composition, fine ones the texture. Takes ``(B, in_channels, *S)`` with
    every side at least ``(3 · 2**layers - 1) · 2**(scales - 1) + 1`` pixels. That is 93 for three
    scales of three layers, as in the paper. Features are those of the first head, then of the
    second and so on. The authors' convolutions pad by two, these by one as in pix2pix. Their
    instance normalisation learns no scale and shift.
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
        self.heads = nn.ModuleList(
            PatchGANDiscriminator(
                in_channels=in_channels,
                spatial_dims=spatial_dims,
                channels=channels,
                layers=layers,
                normalisation=normalisation,
            )
            for _ in range(check_count("scales", scales))
        )
        self.halve = halving_pool(spatial_dims)
        # each of the halvings rounds up, and leaves the last head the size that a PatchGAN takes
        self.minimum_size = (3 * 2**layers - 1) * 2 ** (scales - 1) + 1

    def forward(self, image: Tensor) -> Judgement:
        """Logits ``(B, 1, *patches)`` of each scale, finest first, and features in that order."""
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
