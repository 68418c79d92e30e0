"""SRResNet, the generator of SRGAN."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from srlab.axes import check_counts, per_axis
from srlab.nn.activation import PReLU
from srlab.nn.blocks import batch_norm_block
from srlab.nn.dims import batch_norm, conv
from srlab.nn.shrinking import Spare, core_of
from srlab.nn.skip import InputSkip, Skip
from srlab.nn.trunk import Trunk
from srlab.nn.upsample import Upsampler, build_upsampler


class SRResNet(nn.Module):
    """Residual blocks with batch norm, then pixel shuffle (Ledig et al. 2017, fig. 4).

    Maps ``(B, in_channels, *S)`` to ``(B, out_channels, *S·scale)`` for any size ``S``. In
    evaluation mode every layer is local; the receptive field's radius is ``2·blocks + 7.5`` LR
    pixels at ×4.
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
        skip: Skip = "none",
        skip_channels: Sequence[int] | None = None,
        checkpointing: bool = False,
    ) -> None:
        super().__init__()
        check_counts(channels=channels, blocks=blocks)
        self.in_channels, self.out_channels = in_channels, out_channels
        self.scale, self.multiple_of = per_axis(scale, spatial_dims), (1,) * spatial_dims
        self.head = nn.Sequential(conv(spatial_dims, in_channels, channels, 9), PReLU())
        layers = (
            batch_norm_block(spatial_dims, channels, residual_scale=residual_scale)
            for _ in range(blocks)
        )
        self.trunk = Trunk(
            *layers,
            conv(spatial_dims, channels, channels, 3, bias=False),
            batch_norm(spatial_dims, channels),
            checkpointing=checkpointing,
        )
        self.upsampler = build_upsampler(
            upsampler, spatial_dims, channels, self.scale, activation=PReLU
        )
        self.tail = conv(spatial_dims, channels, out_channels, 9)
        self.skip = InputSkip(
            skip, self.tail, self.scale, in_channels=in_channels, channels=skip_channels
        )

    def forward(self, lr: Tensor) -> Tensor:
        """LR to SR, both in the network's range."""
        shallow = self.head(lr)
        result: Tensor = self.skip(self.tail(self.upsampler(shallow + self.trunk(shallow))), lr)
        return result

    def core(self, lr: Tensor, *, spare: Spare) -> Tensor:
        """SR of LR without its `spare` LR pixels; the layers compute no more than that needs."""
        return core_of(
            lr,
            spare,
            scale=self.scale,
            head=self.head,
            stages=list(self.trunk),
            last_layers=nn.Sequential(self.upsampler, self.tail),
            skip=self.skip.added,
        )
