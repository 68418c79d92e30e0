"""A published network whose output is made smaller in the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from torch import Tensor, nn

from srlab.axes import per_axis
from srlab.generators.protocol import Generator, multiple_of
from srlab.mistakes import Mistake
from srlab.nn.resample import reduced


class Reduced(nn.Module):
    """A network for a larger scale, and bicubic points of its output (Keys 1981, a = -3/4).

    Real-ESRGAN makes networks for ×2 and ×3 of one for ×4 in this way. Maps ``(B, C, *S)`` to
    ``(B, C', *S·scale)`` for any size ``S``. A `Mistake` says if the network's own scale is smaller
    than `scale`.
    """

    noise_channels = None

    def __init__(self, *, network: nn.Module, scale: int | Sequence[int]) -> None:
        super().__init__()
        inner = cast(Generator, network)
        self.network = network
        self.in_channels, self.out_channels = inner.in_channels, inner.out_channels
        self.larger, self.multiple_of = inner.scale, multiple_of(inner)
        self.scale = per_axis(scale, len(inner.scale))
        if any(own < wanted for own, wanted in zip(inner.scale, self.scale, strict=True)):
            raise Mistake(
                f"the network is for scale {inner.scale}, and scale is {self.scale}; give a "
                "smaller one."
            )

    def forward(self, lr: Tensor) -> Tensor:
        """LR to SR, both in the network's range."""
        return reduced(self.network(lr), self.larger, self.scale)
