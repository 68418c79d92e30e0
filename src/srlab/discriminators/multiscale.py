"""The discriminator of pix2pixHD."""

from __future__ import annotations

from torch import Tensor, nn

from srlab.discriminators.checks import check_count, check_crop
from srlab.discriminators.judgement import Judgement
from srlab.discriminators.patchgan import PatchGANDiscriminator
from srlab.nn.dims import halving_pool
from srlab.nn.normalisation import Normalisation


class MultiscaleDiscriminator(nn.Module):
    """PatchGANs of the same shape and own weights on an image pyramid, a head a scale (Wang et al. 2018, sec. 3.2).

    The first sees the image, each further one the image before averaged to half the size; coarse ones judge the
    composition, fine ones the texture. Takes ``(B, in_channels, *S)`` whose sides, halved ``scales - 1`` times and
    rounded up, leave a PatchGAN's ``3 · 2**layers``: at least 93 pixels for three scales of three layers, as in the
    paper. Features are those of the first head, then of the second and so on. The authors' convolutions pad by two,
    these by one as pix2pix's, and their instance normalisation learns no scale and shift.
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
        self.minimum_size = (3 * 2**layers - 1) * 2 ** (scales - 1) + 1

    def forward(self, image: Tensor) -> Judgement:
        """Logits ``(B, 1, *patches)`` for each scale, finest first, and the features of all heads in that order."""
        check_crop(
            image,
            minimum=self.minimum_size,
            discriminator="multiscale",
            remedy="lower discriminator.scales or discriminator.layers",
        )
        logits: list[Tensor] = []
        features: list[Tensor] = []
        for index, head in enumerate(self.heads):
            image = self.halve(image) if index > 0 else image
            judgement = head(image)
            logits.extend(judgement.logits)
            features.extend(judgement.features)
        return Judgement(tuple(logits), tuple(features))
