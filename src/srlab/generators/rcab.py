"""RCAN, a generator with channel attention."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from srlab.axes import check_counts, per_axis
from srlab.nn.blocks import channel_attention_group
from srlab.nn.post_upsampling import PostUpsampling
from srlab.nn.shrinking import Spare
from srlab.nn.skip import Skip
from srlab.nn.upsample import Upsampler


class RCAB(nn.Module):
    """Residual groups of residual channel attention blocks (RCAN, Zhang et al. 2018, sec. 3).

    Maps ``(B, in_channels, *S)`` to ``(B, out_channels, *S·scale)`` for any size ``S``. There are
    `blocks` blocks in each of `groups` groups; the defaults are RCAN. Channel attention averages
    over the whole input, so a tile differs from the whole at any overlap.
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
        blocks: int = 20,
        groups: int = 10,
        reduction: int = 16,
        residual_scale: float = 1.0,
        upsampler: Upsampler = "shuffle",
        skip: Skip = "none",
        skip_channels: Sequence[int] | None = None,
        checkpointing: bool = False,
    ) -> None:
        super().__init__()
        check_counts(channels=channels, blocks=blocks, groups=groups, reduction=reduction)
        self.in_channels, self.out_channels = in_channels, out_channels
        self.scale, self.multiple_of = per_axis(scale, spatial_dims), (1,) * spatial_dims
        self.network = PostUpsampling(
            [
                channel_attention_group(
                    spatial_dims,
                    channels,
                    blocks=blocks,
                    reduction=reduction,
                    residual_scale=residual_scale,
                )
                for _ in range(groups)
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
