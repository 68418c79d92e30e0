"""The baseline that every network is compared with."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from srlab.axes import per_axis
from srlab.nn.resample import Interpolation as Kind
from srlab.nn.resample import check_interpolation, enlarge


class Interpolation(nn.Module):
    """Nearest-neighbour, linear or cubic (Keys 1981) interpolation; there is nothing to train.

    Maps ``(B, in_channels, *S)`` to ``(B, in_channels, *S·scale)`` for any size ``S``.
    """

    noise_channels = None

    def __init__(
        self,
        *,
        in_channels: int,
        scale: int | Sequence[int],
        spatial_dims: int = 2,
        kind: Kind = "cubic",
    ) -> None:
        super().__init__()
        self.in_channels = self.out_channels = in_channels
        self.scale, self.multiple_of = per_axis(scale, spatial_dims), (1,) * spatial_dims
        self.kind = check_interpolation(kind, argument="kind")

    def forward(self, lr: Tensor) -> Tensor:
        """LR to SR, both in the network's range."""
        return enlarge(lr, self.scale, self.kind)
