"""SRVGGNetCompact, the small generator of Real-ESRGAN."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from torch import Tensor, nn

from srlab.axes import check_counts, per_axis
from srlab.nn.activation import PReLU
from srlab.nn.dims import conv
from srlab.nn.resample import Interpolation, enlarge
from srlab.nn.shrinking import Spare, core_of
from srlab.nn.skip import check_whole_skip
from srlab.nn.trunk import Trunk
from srlab.nn.upsample import PixelShuffle


class Compact(nn.Module):
    """A plain row of convolutions at LR resolution (Wang et al. 2021, SRVGGNetCompact).

    Maps ``(B, in_channels, *S)`` to ``(B, out_channels, *S·scale)`` for any size ``S``. `blocks`
    convolutions stand between the first and the last, which a pixel shuffle follows. The
    interpolated input is added, by nearest neighbours as published. The network starts from random
    weights, not from the interpolation. Every layer is local; the receptive field's radius is
    ``blocks + 2`` LR pixels.
    """

    noise_channels = None

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        scale: int | Sequence[int],
        spatial_dims: int = 2,
        channels: int = 64,
        blocks: int = 16,
        skip: Interpolation = "nearest",
        checkpointing: bool = False,
    ) -> None:
        super().__init__()
        check_counts(channels=channels)
        check_counts(least=0, blocks=blocks)
        self.kind = check_whole_skip(
            skip, generator="compact", in_channels=in_channels, out_channels=out_channels
        )
        self.in_channels, self.out_channels = in_channels, out_channels
        self.scale, self.multiple_of = per_axis(scale, spatial_dims), (1,) * spatial_dims
        self.head = nn.Sequential(conv(spatial_dims, in_channels, channels, 3), PReLU(channels))
        layers = (
            nn.Sequential(conv(spatial_dims, channels, channels, 3), PReLU(channels))
            for _ in range(blocks)
        )
        self.trunk = Trunk(*layers, checkpointing=checkpointing)
        self.tail = nn.Sequential(
            conv(spatial_dims, channels, out_channels * prod(self.scale), 3),
            PixelShuffle(self.scale),
        )

    def forward(self, lr: Tensor) -> Tensor:
        """LR to SR, both in the network's range."""
        result: Tensor = self.tail(self.trunk(self.head(lr))) + enlarge(lr, self.scale, self.kind)
        return result

    def core(self, lr: Tensor, *, spare: Spare) -> Tensor:
        """SR of LR without its `spare` LR pixels; the layers compute no more than that needs."""
        return core_of(
            lr,
            spare,
            scale=self.scale,
            head=self.head,
            stages=list(self.trunk),
            last_layers=self.tail,
            skip=lambda image: enlarge(image, self.scale, self.kind),
            long_skip=False,
        )
