"""SRVGGNetCompact, the small generator of Real-ESRGAN."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from torch import Tensor, nn

from srlab.axes import per_axis
from srlab.mistakes import Mistake
from srlab.nn.activation import PReLU
from srlab.nn.dims import conv
from srlab.nn.resample import Interpolation, check_interpolation, enlarge
from srlab.nn.trunk import Trunk
from srlab.nn.upsample import PixelShuffle


class Compact(nn.Module):
    """A plain row of convolutions, all at LR resolution (SRVGGNetCompact; Real-ESRGAN, Wang et al. 2021).

    Maps ``(B, in_channels, *S)`` to ``(B, out_channels, *S·scale)`` for any size ``S``: `blocks` convolutions
    between the first and the last, one pixel shuffle, and the interpolated input added, by nearest neighbours as
    published. It starts from random weights, not from the interpolation. Every layer is local; the receptive
    field's radius is ``blocks + 2`` LR pixels.
    """

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
        if in_channels != out_channels:
            raise Mistake(
                f"compact adds its input to its output, but there are {in_channels} input and {out_channels} output "
                "channels; choose another generator."
            )
        self.in_channels = in_channels
        self.scale = per_axis(scale, spatial_dims)
        self.kind = check_interpolation(skip, argument="skip")
        self.head = nn.Sequential(conv(spatial_dims, in_channels, channels, 3), PReLU(channels))
        self.trunk = Trunk(
            *(
                nn.Sequential(conv(spatial_dims, channels, channels, 3), PReLU(channels))
                for _ in range(blocks)
            ),
            checkpointing=checkpointing,
        )
        self.tail = nn.Sequential(
            conv(spatial_dims, channels, out_channels * prod(self.scale), 3),
            PixelShuffle(self.scale),
        )

    def forward(self, lr: Tensor) -> Tensor:
        """LR to SR, both in the network's range."""
        result: Tensor = self.tail(self.trunk(self.head(lr))) + enlarge(lr, self.scale, self.kind)
        return result
