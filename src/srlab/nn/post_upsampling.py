"""The frame that most generators share."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from srlab.nn.collapsing import Collapsed
from srlab.nn.dims import conv
from srlab.nn.shrinking import Spare, core_of
from srlab.nn.skip import InputSkip, Skip
from srlab.nn.trunk import Trunk
from srlab.nn.upsample import Upsampler, build_upsampler


class PostUpsampling(nn.Module):
    """Features at LR resolution, enlarged at the end (Lim et al. 2017, fig. 3).

    The layers are a convolution, the blocks and a convolution with a skip connection around them,
    an upsampler and a convolution. The interpolated input may be added. Maps
    ``(B, in_channels, *S)`` to ``(B, out_channels, *S·scale)``.
    """

    def __init__(
        self,
        blocks: Sequence[nn.Module],
        *,
        in_channels: int,
        out_channels: int,
        scale: Sequence[int],
        channels: int,
        upsampler: Upsampler,
        skip: Skip,
        skip_channels: Sequence[int] | None,
        checkpointing: bool,
    ) -> None:
        super().__init__()
        dims = len(scale)
        self.scale = tuple(scale)
        self.collapsed: Collapsed | None = None
        self.head = conv(dims, in_channels, channels, 3)
        self.trunk = Trunk(*blocks, conv(dims, channels, channels, 3), checkpointing=checkpointing)
        self.upsampler = build_upsampler(upsampler, dims, channels, scale)
        self.tail = conv(dims, channels, out_channels, 3)
        self.skip = InputSkip(
            skip, self.tail, scale, in_channels=in_channels, channels=skip_channels
        )

    @property
    def last_layers(self) -> nn.Sequential:
        """The layers from features to SR, before the skip."""
        return nn.Sequential(self.upsampler, self.tail)

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
            last_layers=self.last_layers,
            skip=self.skip.added,
            collapsed=self.collapsed,
        )
