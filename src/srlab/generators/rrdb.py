"""RRDBNet, the generator of ESRGAN."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from torch import Tensor, nn

from srlab.nn.blocks import ResidualInResidualDenseBlock
from srlab.nn.dims import conv, per_axis
from srlab.nn.skip import InputSkip, Skip
from srlab.nn.trunk import Trunk
from srlab.nn.upsample import Upsampler
from srlab.nn.upsample import upsampler as build_upsampler


class RRDB(nn.Module):
    """Residual-in-residual dense blocks without normalisation (Wang et al. 2018, sec. 3.1).

    Maps ``(B, in_channels, *S)`` to ``(B, out_channels, *S·scale)`` for any size ``S``. Every layer is local; the
    receptive field's radius is ``15·blocks + 3.25`` LR pixels at ×4.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        scale: int | Sequence[int],
        spatial_dims: int = 2,
        channels: int = 64,
        blocks: int = 23,
        growth_channels: int = 32,
        residual_scale: float = 0.2,
        upsampler: Upsampler = "nearest",
        skip: Skip = "none",
        skip_channels: Sequence[int] | None = None,
        checkpointing: bool = False,
    ) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.scale = per_axis(scale, spatial_dims)
        activation = partial(nn.LeakyReLU, 0.2)
        self.head = conv(spatial_dims, in_channels, channels, 3)
        self.trunk = Trunk(
            *(
                ResidualInResidualDenseBlock(
                    spatial_dims, channels, growth_channels=growth_channels, residual_scale=residual_scale
                )
                for _ in range(blocks)
            ),
            conv(spatial_dims, channels, channels, 3),
            checkpointing=checkpointing,
        )
        self.upsampler = build_upsampler(upsampler, spatial_dims, channels, self.scale, activation=activation)
        self.refine = nn.Sequential(conv(spatial_dims, channels, channels, 3), activation())
        self.tail = conv(spatial_dims, channels, out_channels, 3)
        self.skip = InputSkip(
            skip,
            tail=self.tail,
            scale=self.scale,
            in_channels=in_channels,
            out_channels=out_channels,
            channels=skip_channels,
        )

    def forward(self, lr: Tensor) -> Tensor:
        """LR to SR, both in the network's range."""
        shallow = self.head(lr)
        features = self.refine(self.upsampler(shallow + self.trunk(shallow)))
        result: Tensor = self.skip(self.tail(features), lr)
        return result
