"""A generator of large-kernel attention blocks."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from srlab.axes import check_counts, per_axis
from srlab.nn.blocks import LargeKernelBlock
from srlab.nn.post_upsampling import PostUpsampling
from srlab.nn.shrinking import Spare
from srlab.nn.skip import Skip
from srlab.nn.upsample import Upsampler


class LKA(nn.Module):
    """Blocks of large-kernel attention (VAN, Guo et al. 2022, sec. 3), in the frame of EDSR.

    Maps ``(B, in_channels, *S)`` to ``(B, out_channels, *S·scale)`` for any size ``S``. Attention
    here is a product of convolutions, so every layer is local. The receptive field's radius is
    ``12·blocks + 3.75`` LR pixels at ×4.
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
        expansion: int = 2,
        residual_scale: float = 1.0,
        upsampler: Upsampler = "shuffle",
        skip: Skip = "none",
        skip_channels: Sequence[int] | None = None,
        checkpointing: bool = False,
    ) -> None:
        super().__init__()
        check_counts(channels=channels, blocks=blocks, expansion=expansion)
        self.in_channels, self.out_channels = in_channels, out_channels
        self.scale, self.multiple_of = per_axis(scale, spatial_dims), (1,) * spatial_dims
        self.network = PostUpsampling(
            [
                LargeKernelBlock(
                    spatial_dims, channels, expansion=expansion, residual_scale=residual_scale
                )
                for _ in range(blocks)
            ],
            in_channels=in_channels,
            out_channels=out_channels,
            scale=self.scale,
            channels=channels,
            upsampler=upsampler,
            skip=skip,
            skip_channels=skip_channels,
            checkpointing=checkpointing,
        )

    def forward(self, lr: Tensor) -> Tensor:
        """LR to SR, both in the network's range."""
        result: Tensor = self.network(lr)
        return result

    def core(self, lr: Tensor, *, spare: Spare) -> Tensor:
        """SR of LR without its `spare` LR pixels; the layers compute no more than that needs."""
        return self.network.core(lr, spare=spare)
