"""The modified SRResNet of BasicSR."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from torch import Tensor, nn

from srlab.axes import check_counts, per_axis
from srlab.nn.blocks import plain_block
from srlab.nn.dims import conv
from srlab.nn.resample import Interpolation, enlarge
from srlab.nn.shrinking import Spare, core_of
from srlab.nn.skip import check_whole_skip
from srlab.nn.trunk import Trunk
from srlab.nn.upsample import Upsampler, build_upsampler


class MSRResNet(nn.Module):
    """SRResNet without batch norm, as BasicSR publishes its weights (Wang et al. 2018, sec. 4.1).

    Maps ``(B, in_channels, *S)`` to ``(B, out_channels, *S·scale)`` for any size ``S``. The
    interpolated input is added, linearly as published, and without a zero-initialised tail. Every
    layer is local; the receptive field's radius is ``2·blocks + 3`` LR pixels at ×4.
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
        residual_scale: float = 1.0,
        upsampler: Upsampler = "shuffle",
        skip: Interpolation = "linear",
        checkpointing: bool = False,
    ) -> None:
        super().__init__()
        check_counts(channels=channels, blocks=blocks)
        self.kind = check_whole_skip(
            skip, generator="msrresnet", in_channels=in_channels, out_channels=out_channels
        )
        self.in_channels, self.out_channels = in_channels, out_channels
        self.scale, self.multiple_of = per_axis(scale, spatial_dims), (1,) * spatial_dims
        activation = partial(nn.LeakyReLU, 0.1)
        self.head = nn.Sequential(conv(spatial_dims, in_channels, channels, 3), activation())
        layers = (
            plain_block(spatial_dims, channels, residual_scale=residual_scale)
            for _ in range(blocks)
        )
        self.trunk = Trunk(*layers, checkpointing=checkpointing)
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

    def core(self, lr: Tensor, *, spare: Spare) -> Tensor:
        """SR of LR without its `spare` LR pixels; the layers compute no more than that needs."""
        return core_of(
            lr,
            spare,
            scale=self.scale,
            head=self.head,
            stages=list(self.trunk),
            last_layers=nn.Sequential(self.upsampler, self.refine, self.tail),
            skip=lambda image: enlarge(image, self.scale, self.kind),
            long_skip=False,
        )
