"""The modified SRResNet of BasicSR."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from torch import Tensor, nn

from srlab.axes import per_axis
from srlab.mistakes import Mistake
from srlab.nn.blocks import PlainResidualBlock
from srlab.nn.dims import conv
from srlab.nn.resample import Interpolation, check_interpolation, enlarge
from srlab.nn.trunk import Trunk
from srlab.nn.upsample import Upsampler
from srlab.nn.upsample import upsampler as build_upsampler


class MSRResNet(nn.Module):
    """SRResNet without batch norm, as BasicSR publishes its weights (Wang et al. 2018, sec. 4.1, after Ledig 2017).

    Maps ``(B, in_channels, *S)`` to ``(B, out_channels, *S·scale)`` for any size ``S``; the interpolated input is
    added, linearly as published, and without a zero-initialised tail. Every layer is local; the receptive field's
    radius is ``2·blocks + 3`` LR pixels at ×4.
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
        residual_scale: float = 1.0,
        upsampler: Upsampler = "shuffle",
        skip: Interpolation = "linear",
        checkpointing: bool = False,
    ) -> None:
        super().__init__()
        if in_channels != out_channels:
            raise Mistake(
                f"msrresnet adds its input to its output, but there are {in_channels} input and {out_channels} output "
                "channels; choose another generator."
            )
        self.in_channels = in_channels
        self.scale = per_axis(scale, spatial_dims)
        self.kind = check_interpolation(skip, argument="skip")
        activation = partial(nn.LeakyReLU, 0.1)
        self.head = nn.Sequential(conv(spatial_dims, in_channels, channels, 3), activation())
        self.trunk = Trunk(
            *(
                PlainResidualBlock(spatial_dims, channels, residual_scale=residual_scale)
                for _ in range(blocks)
            ),
            checkpointing=checkpointing,
        )
        self.upsampler = build_upsampler(
            upsampler, spatial_dims, channels, self.scale, activation=activation
        )
        self.refine = nn.Sequential(conv(spatial_dims, channels, channels, 3), activation())
        self.tail = conv(spatial_dims, channels, out_channels, 3)

    def forward(self, lr: Tensor) -> Tensor:
        """LR to SR, both in the network's range."""
        features = self.upsampler(self.trunk(self.head(lr)))
        result: Tensor = self.tail(self.refine(features)) + enlarge(lr, self.scale, self.kind)
        return result
